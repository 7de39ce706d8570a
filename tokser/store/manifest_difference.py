"""What of a manifest changed, in words."""

import csv
import io

from tokser.errors import list_some

__all__ = ["manifest_difference"]

_MOST = 3


def manifest_difference(old: str, new: str) -> str:
    """Name the columns and utterances in which two manifests' CSV texts differ.

    Args:
        old: What a store holds.
        new: What it is to hold.

    Returns:
        For instance `03a01Fa: label 'anger' in the store, 'fear' now`; "" if nothing differs but
        how it is written.
    """
    before, after = _rows(old), _rows(new)
    changed = [
        f"{name}: {column} {cell!r} in the store, {after[name].get(column, '')!r} now"
        for name, row in before.items()
        if name in after
        for column, cell in row.items()
        if column in after[name] and cell != after[name][column]
    ]
    old_columns, new_columns = _columns(old), _columns(new)
    differences = [
        *(f"column {name} is gone" for name in old_columns if name not in new_columns),
        *(f"column {name} is new" for name in new_columns if name not in old_columns),
    ]
    gone = [name for name in before if name not in after]
    come = [name for name in after if name not in before]
    if gone:
        differences.append(f"{len(gone):,} utterances are gone ({list_some(gone, most=_MOST)})")
    if come:
        differences.append(f"{len(come):,} utterances are new ({list_some(come, most=_MOST)})")
    if changed:
        differences.append(list_some(changed, most=_MOST))
    return "; ".join(differences)


def _rows(text: str) -> dict[str, dict[str, str]]:
    return {row["id"]: row for row in csv.DictReader(io.StringIO(text, newline=""))}


def _columns(text: str) -> list[str]:
    return next(csv.reader(io.StringIO(text, newline="")), [])
