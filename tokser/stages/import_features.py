"""Features of whole utterances that were computed elsewhere, into a store."""

from pathlib import Path

from tokser.errors import list_some
from tokser.functionals.imported import Imported, import_functionals
from tokser.progress import warn
from tokser.store import open_store

__all__ = ["import_features"]


def import_features(path: str, file: Path, name: str) -> Imported:
    """Take the features of a CSV or npz file into a store; see `import_functionals`."""
    done = import_functionals(open_store(path, check=True), file, name)
    if done.lacking:
        warn(
            f"{done.feature}: {len(done.lacking)} utterances are not in {file}, and are left out "
            f"by whoever reads it: {list_some(done.lacking)}"
        )
    return done
