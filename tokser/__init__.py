"""tokser: extract frozen speech and text activations once, then experiment in seconds."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if sys.version_info < (3, 11):  # noqa: UP036  from a checkout, nobody else asks
    raise ImportError(
        "tokser needs Python 3.11 or later, this is %d.%d: make a new environment, for instance "  # noqa: UP031
        "with `make install PYTHON=python3.11`." % sys.version_info[:2]
    )

if TYPE_CHECKING:
    from tokser.store import Store

__all__ = ["__version__", "open_store"]

__version__ = "0.1.0"


def open_store(path: str | Path) -> "Store":
    """Open a store, read only.

    Args:
        path: Folder of the store, for instance `emodb.zarr`.

    Returns:
        The store: `.utterances`, `.features`, and each feature by name.

    Raises:
        MissingInputError: There is nothing at `path`.
        StoreMismatchError: What is there is not a store of this format.
    """
    from tokser.store import open_store as open_it  # zarr and pandas take a second to import

    return open_it(path)
