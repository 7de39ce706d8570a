"""`tokser fit`: one model that lasts."""

from pathlib import Path
from typing import Any

from tokser.cli.options import (
    command,
    json_option,
    settings_of,
    threads_option,
    workspace_option,
    workspace_or_default,
)
from tokser.cli.output import print_json, tell
from tokser.config import FitSettings

__all__ = ["fit"]


@command(
    example="tokser fit --dataset emodb --features whisper-base/layer-3 --head logreg\n"
    "tokser fit --dataset emodb --features 'best(whisper-base/layer-*)' --grid --out model"
)
@settings_of(FitSettings)
@workspace_option
@json_option
@threads_option
def fit(given: dict[str, Any], *, workspace: Path | None, as_json: bool) -> None:
    """Train a model on everything, and keep it with its score in a folder.

    Grid point, layer and weights are selected by the dev parts of the protocol's folds; the score
    that the model card shows is that of their test parts, which calibrate its probabilities, too.
    Then the head is trained on every usable utterance.
    """
    settings = dict(given)
    home = workspace_or_default(workspace)
    if "store" not in settings:
        settings["store"] = str(home / "stores" / f"{settings['dataset']}.zarr")
        tell(f"store: {settings['store']}", err=True)
    settings.setdefault("out", home / "models" / str(settings["dataset"]))
    wanted = FitSettings.parse(settings, where="tokser fit")
    from tokser.stages.fit import fit as run

    out = run(wanted)
    from tokser.experiments.models.card import score_line
    from tokser.experiments.models.card_calibration import calibration_line
    from tokser.experiments.models.folder import load_model, types_within

    model = load_model(out, trusted=types_within(out))
    if as_json:
        estimate = None if model.estimate is None else vars(model.estimate)
        content = {"out": out, "members": [m.params for m in model.members], "score": estimate}
        print_json(content | {"calibration": model.calibration})
        return
    tell(score_line(model))
    if model.calibration is not None:
        tell(calibration_line(model))
    tell(f"model -> {out}")
