"""`tokser transfer`: emotion classifiers across corpora."""

from pathlib import Path
from typing import Any

from tokser.cli.options import command, json_option, settings_of, threads_option, workspace_option
from tokser.cli.output import print_json, results_json, show_results, tell
from tokser.cli.places import joined_places
from tokser.config import TransferSettings

__all__ = ["transfer"]


@command(
    example="tokser transfer --store emodb.zarr --store nemo.zarr --labels four-classes "
    "--features 'best(whisper-base/layer-*)' --head logreg"
)
@settings_of(TransferSettings)
@workspace_option
@json_option
@threads_option
def transfer(given: dict[str, Any], *, workspace: Path | None, as_json: bool) -> None:
    """Train emotion classifiers on one corpus and test them on another.

    Each of several stores is trained on and tested: within itself (leave one speaker out), on each
    other one (all of it is tested), and, of three or more, from all the others together. Layer,
    grid point and epoch are selected on speakers of the training corpora; nothing of the test
    corpus selects. Scores have 95 % intervals over the speakers of the test corpus.
    """
    settings = joined_places(given, workspace)
    wanted = TransferSettings.parse(settings, where="tokser transfer")
    from tokser.stages.transfer import transfer as run

    out = run(wanted)
    if as_json:
        print_json(results_json(out))
        return
    show_results([out])
    tell(f"results -> {out}")
