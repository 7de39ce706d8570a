"""`tokser scaling`: how scores grow with training speakers and utterances."""

from typing import Any

from tokser.cli.options import command, json_option, settings_of, threads_option
from tokser.cli.output import print_json, show, tell
from tokser.config import ScalingSettings

__all__ = ["scaling"]


@command(
    example="tokser scaling --store workspace/stores/emodb.zarr \\\n"
    "  --features whisper-base/layer-3 --out scaling\n"
    "tokser scaling --store workspace/stores/emodb.zarr --speakers 1,2,4,9 --draws 20 \\\n"
    "  --features 'whisper-base/layer-*' --out scaling"
)
@settings_of(ScalingSettings)
@json_option
@threads_option
def scaling(given: dict[str, Any], *, as_json: bool) -> None:
    """Show how scores grow with training speakers and utterances.

    Heads are trained on nested subsets, drawn several times, and predict the same test speakers.
    Once the number of speakers varies, each with all utterances, and once the number of utterances
    of every speaker. A power law, error = a + b * n^-c, is fitted to each curve; it predicts the
    score with twice as many. 95 % intervals are over test speakers and draws.
    """
    settings = ScalingSettings.parse(given, where="tokser scaling")
    from tokser.stages.scaling import scaling as run

    found = run(settings)
    if as_json:
        print_json(
            {"scaling": found.scores.to_dict("records"), "fits": found.fits.to_dict("records")}
        )
        return
    from tokser.report.renderers.terminal import render_terminal
    from tokser.report.scaling_tables import scaling_tables

    for table in scaling_tables(found.scores, found.fits):
        show(render_terminal(table))
    if given.get("out"):
        tell(f"scaling.csv, scaling_fits.csv and figures -> {given['out']}")
