"""Which pooled features patterns name, and folders of tables made of them."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from tokser.errors import SettingsError, list_some
from tokser.store import Store

__all__ = ["pooled_features", "require_own_folder", "require_pooled"]


def pooled_features(store: Store, wanted: Sequence[str], *, least: int = 1) -> tuple[str, ...]:
    """Return the pooled features that names or patterns such as `whisper-base/layer-*` name.

    Args:
        store: The store.
        wanted: Names and patterns; none: all that are pooled.
        least: How many there must be.

    Raises:
        SettingsError: A pattern names none, or there are fewer.
    """
    known = store.pooled
    patterns = tuple(wanted) or tuple(known)
    found = dict.fromkeys(
        name for pattern in patterns for name in known if fnmatchcase(name, pattern)
    )
    lost = [one for one in patterns if not any(fnmatchcase(name, one) for name in known)]
    if lost or len(found) < least:
        there = list_some(known, most=20) or "pooled features, of which there are none"
        raise SettingsError(
            f"--features, {store.path}",
            expected=f"at least {least} of {there}",
            got=list_some(lost or list(found)) or "none",
            remedy=f"Name others, or pool them: `tokser pool --store {store.path}`.",
        )
    return tuple(found)


def require_pooled(store: Store) -> None:
    """Raise `SettingsError` where nothing is pooled."""
    if not store.pooled:
        raise SettingsError(
            store.path,
            expected="pooled features",
            got="none",
            remedy=f"Run `tokser pool --store {store.path}`.",
        )


def require_own_folder(out: Path, table: str) -> None:
    """Raise unless a folder is new, or holds a table that was written there before.

    Raises:
        SettingsError: It holds other files.
    """
    if out.exists() and any(out.iterdir()) and not (out / table).exists():
        raise SettingsError(
            f"--out {out}",
            expected=f"a new folder, or one with an earlier {table}",
            got="a folder with other files",
            remedy="Name another folder.",
        )
