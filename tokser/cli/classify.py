"""`tokser classify`: grids of emotion classifiers on functionals."""

from pathlib import Path
from typing import Any

from tokser.cli.options import command, json_option, settings_of, threads_option, workspace_option
from tokser.cli.output import print_json, results_json, show_results, tell
from tokser.cli.places import experiment_places
from tokser.config import ClassifySettings

__all__ = ["classify"]


@command(
    example="tokser classify --dataset emodb --grid --protocol random,speaker\n"
    "tokser classify --dataset emodb --features 'best(whisper-base/layer-*)' --head logreg"
)
@settings_of(ClassifySettings)
@workspace_option
@json_option
@threads_option
def classify(given: dict[str, Any], *, workspace: Path | None, as_json: bool) -> None:
    """Train and score emotion classifiers.

    They are trained on functionals: each utterance's mean and standard deviation over frames or
    tokens, which `tokser pool` writes into the store. Each fold selects grid point, layer and
    weights on its own dev part; scores have 95 % intervals over speakers.
    """
    settings = experiment_places(given, workspace, "")
    wanted = ClassifySettings.parse(settings, where="tokser classify")
    from tokser.stages.classify import classify as run

    out = run(wanted)
    if as_json:
        print_json(results_json(out))
        return
    show_results([out])
    tell(f"results -> {out}")
