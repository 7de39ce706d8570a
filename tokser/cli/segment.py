"""`tokser manifest segment`: long recordings cut into utterances."""

import sys
from typing import Any

from tokser.cli.options import command, json_option, settings_of
from tokser.cli.output import QUARANTINED_EXIT, print_json, show
from tokser.config import SegmentSettings

__all__ = ["segment"]


@command(
    example="tokser manifest segment talks.csv --root audio --vad --out segments.csv\n"
    "tokser manifest segment talks.csv --root audio --every 10 --overlap 2 --out windows.csv"
)
@settings_of(SegmentSettings)
@json_option
def segment(given: dict[str, Any], *, as_json: bool) -> None:
    """Cut the long recordings of a manifest into utterances, each a part of its recording.

    The new manifest has a row for each segment, ID-0001 and so on, with start_s and end_s; the
    recordings stay as they are. A segment keeps speaker, sex, session, language and the other
    columns of its recording. It has no transcript, and no label without --keep-labels. Recordings
    that cannot be read: exit code 3.
    """
    settings = SegmentSettings.parse(given, where="tokser manifest segment")
    from tokser.stages.segment import segment as run
    from tokser.terminal.manifests import counts_of, counts_table, faults_table

    done = run(settings)
    if as_json:
        print_json(
            {
                "out": settings.out,
                "counts": counts_of(done.manifest.table),
                "without_speech": list(done.without),
                "quarantined": done.quarantined,
            }
        )
    else:
        show(counts_table(done.manifest.table))
        if done.quarantined:
            show(faults_table(done.quarantined))
    if done.quarantined:
        sys.exit(QUARANTINED_EXIT)
