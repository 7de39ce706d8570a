"""`tokser regress`: valence, arousal and dominance from functionals."""

from pathlib import Path
from typing import Any

from tokser.cli.options import command, json_option, settings_of, threads_option, workspace_option
from tokser.cli.output import print_json, results_json, show_results, tell
from tokser.cli.places import experiment_places
from tokser.config import RegressSettings

__all__ = ["regress"]


@command(example="tokser regress --dataset iemocap --features 'best(whisper-base/layer-*)'")
@settings_of(RegressSettings)
@workspace_option
@json_option
@threads_option
def regress(given: dict[str, Any], *, workspace: Path | None, as_json: bool) -> None:
    """Predict valence, arousal and dominance (IEMOCAP), scored by concordance (CCC)."""
    settings = experiment_places(given, workspace, "-dimensions")
    wanted = RegressSettings.parse(settings, where="tokser regress")
    from tokser.stages.regress import regress as run

    out = run(wanted)
    if as_json:
        print_json(results_json(out))
        return
    show_results([], [out])
    tell(f"results -> {out}")
