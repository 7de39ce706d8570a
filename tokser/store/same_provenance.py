"""Whether rows were made as those that something was trained on, or in another way."""

from collections.abc import Mapping, Sequence
from typing import Any

from tokser.errors import StoreMismatchError

__all__ = ["require_same_provenance"]


def require_same_provenance(
    where: str,
    keys: Sequence[str],
    *,
    wanted: Mapping[str, Any],
    found: Mapping[str, Any],
    wanted_from: str,
    found_from: str = "",
    remedy: str,
) -> None:
    """Raise `StoreMismatchError`, naming both sides, where provenance differs.

    Args:
        where: The feature.
        keys: What must be the same.
        wanted: What made the rows that fit.
        found: What made these.
        wanted_from: Follows each wanted value: `as at training`.
        found_from: Follows each found value; empty: nothing does.
        remedy: What to do.
    """
    unlike = [key for key in keys if found.get(key) != wanted.get(key)]
    if unlike:
        raise StoreMismatchError(
            where,
            expected="; ".join(f"{key} {wanted.get(key)} {wanted_from}" for key in unlike),
            got="; ".join(f"{key} {found.get(key)} {found_from}".rstrip() for key in unlike),
            remedy=remedy,
        )
