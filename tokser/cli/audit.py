"""`tokser audit`: what the parts of splits share and lack."""

from typing import Any

from tokser.cli.options import command, json_option, settings_of
from tokser.cli.output import print_json, show, tell
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
    known. The last table has what every two parts share, of published splits, too
    (--splits-format).
    """
    settings = AuditSettings.parse(given, where="tokser audit")
    from tokser.stages.audit import audit as run
    from tokser.terminal.results import audit_tables, shared_tables

    found = run(settings)
    if as_json:
        rows = found.shared.astype(object).where(found.shared.notna(), None).to_dict("records")
        parts = {name: [r for r in rows if r["protocol"] == name] for name in found}
        print_json({n: one.to_json() | {"parts_share": parts[n]} for n, one in found.items()})
        return
    for table in (*audit_tables(found), *shared_tables(found.shared)):
        show(table)
    if settings.out is not None:
        tell(f"what every two parts share -> {settings.out}")
