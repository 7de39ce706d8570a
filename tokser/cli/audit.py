"""`tokser audit`: what the parts of splits share and lack."""

from typing import Any

from tokser.cli.options import command, json_option, settings_of
from tokser.cli.output import print_json, show
from tokser.config import AuditSettings

__all__ = ["audit"]


@command(example="tokser audit --store workspace/stores/emodb.zarr --protocol random,speaker")
@settings_of(AuditSettings)
@json_option
def audit(given: dict[str, Any], *, as_json: bool) -> None:
    """Show what the parts of splits share, and what they lack.

    Speakers, sessions, sentences and recordings (equal checksums, and near-duplicates by the
    activations of a speech encoder) that test shares with train or dev, classes that a part lacks,
    parts too small for a conclusion, names that may be one speaker. A leak is no error: every table
    of such a split is marked LEAKS SPEAKERS or RECORDINGS, or SPEAKERS UNKNOWN where that is not
    known.
    """
    from tokser.stages.audit import audit as run
    from tokser.terminal import audit_tables

    found = run(AuditSettings.parse(given, where="tokser audit"))
    if as_json:
        print_json({protocol: one.to_json() for protocol, one in found.items()})
        return
    for table in audit_tables(found):
        show(table)
