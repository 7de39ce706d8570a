"""`tokser doctor`: what is installed, what is missing, and how to repair it."""

import sys
from pathlib import Path

from tokser.cli.options import (
    command,
    json_option,
    places_option,
    workspace_option,
    workspace_or_default,
)
from tokser.cli.output import print_json, show

__all__ = ["doctor"]


@command(example="tokser doctor --corpora /data/IEMOCAP_full_release")
@workspace_option
@places_option
@json_option
def doctor(workspace: Path | None, places: tuple[Path, ...], *, as_json: bool) -> None:
    """Show what is installed, what is missing, and how to repair it.

    Corpora that are found are compared with what they should contain: LibriSpeech by split, EmoDB
    by recording, others by class, speaker and session, as far as they declare it.
    """
    from tokser.stages.doctor import doctor as examine

    found = examine(workspace_or_default(workspace), places)
    is_healthy = all(finding.state != "error" for finding in found)
    if as_json:
        print_json({"is_healthy": is_healthy, "findings": found})
    else:
        from tokser.terminal.installation import findings_table

        show(findings_table(found))
    sys.exit(0 if is_healthy else 1)
