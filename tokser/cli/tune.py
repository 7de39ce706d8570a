"""`tokser tune`: the upper blocks of an encoder, trained from a stored layer."""

from pathlib import Path
from typing import Any

from tokser.cli.options import command, json_option, settings_of, threads_option, workspace_option
from tokser.cli.output import print_json, results_json, show_results, tell
from tokser.cli.places import experiment_places
from tokser.config import TuneSettings

__all__ = ["tune"]


@command(
    example="tokser tune --dataset emodb --from whisper-base/layer-4 --protocol speaker\n"
    "tokser tune --dataset emodb --from wavlm-base/layer-10 --head mean-std --lora 8"
)
@settings_of(TuneSettings)
@workspace_option
@json_option
@threads_option
def tune(given: dict[str, Any], *, workspace: Path | None, as_json: bool) -> None:
    """Train an encoder's upper blocks and a head from a stored layer.

    No recording is read: the blocks above --from take its stored activations, and are trained fold
    by fold together with the head, which reads the last layer. Each fold keeps its best epoch on
    its own dev part. The blocks of a fold can be applied to a store with `tokser apply`.
    """
    settings = experiment_places(given, workspace, "-tuned")
    wanted = TuneSettings.parse(settings, where="tokser tune")
    from tokser.stages.tune import tune as run

    out = run(wanted)
    if as_json:
        print_json(results_json(out))
        return
    show_results([out])
    tell(f"results -> {out}; tuned blocks of each fold -> {out / 'folds'}")
