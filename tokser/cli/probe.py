"""`tokser probe`: what the features of a store know."""

from typing import Any

from tokser.cli.options import command, json_option, settings_of, threads_option
from tokser.cli.output import print_json, show, tell
from tokser.config import ProbeSettings

__all__ = ["probe"]


@command(
    example="tokser probe --store workspace/stores/emodb.zarr --out probes\n"
    "tokser probe --store workspace/stores/emodb.zarr --features 'whisper-base/layer-*' \\\n"
    "  --targets emotion,speaker,duration --out probes"
)
@settings_of(ProbeSettings)
@json_option
@threads_option
def probe(given: dict[str, Any], *, as_json: bool) -> None:
    """Show which layer knows what: emotion, speaker, sex, sentence, duration, pitch.

    Each target is predicted from mean and standard deviation of every feature by ridge regression,
    for speakers that it was not fitted to (the target speaker: for other sentences). Classes are
    scored by UAR, numbers by CCC, with 95 % intervals. The control is the same with shuffled
    targets; selectivity is what a feature gives beyond it.
    """
    settings = ProbeSettings.parse(given, where="tokser probe")
    from tokser.stages.probe import probe as run

    table = run(settings)
    if as_json:
        print_json({"probes": table.to_dict("records")})
        return
    from tokser.terminal.probes import probe_tables

    for one in probe_tables(table):
        show(one)
    if given.get("out"):
        tell(f"probes.csv and curves -> {given['out']}")
