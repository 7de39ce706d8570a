"""Files of a corpus's folder that nothing is read from, and what they might have been meant as."""

from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from tokser.corpora.declared.declaration import Declaration
from tokser.corpora.declared.paths import Listing, matcher
from tokser.errors import list_some

__all__ = ["say_what_is_left_out"]

Say = Callable[[str], None]


def say_what_is_left_out(
    declaration: Declaration, root: Path, listing: Listing, missing: Iterable[str], say: Say
) -> None:
    """Say which files beside recordings are ignored, and which may be a missing table's.

    Args:
        declaration: The corpus; one that lists its recordings by a table has nothing beside them.
        root: Its folder.
        listing: The files below it.
        missing: Names of tables that are not there.
        say: What is said goes there.
    """
    for name in missing:
        for file in declaration.tables[name].files:
            copies = [path for path in listing.paths if _is_copy(path, file)]
            if copies:
                say(f"{root}: no {file}; if {list_some(copies)} is that table, rename it")
    files = declaration.files
    if files is None:
        return
    recordings = set(listing.matching(files.include))
    folders = {str(PurePosixPath(path).parent) for path in recordings}
    is_table = matcher([one for table in declaration.tables.values() for one in table.files])
    texts = any(".txt" in str(column) for column in declaration.columns.values())
    others = [
        path
        for path in listing.paths
        if str(PurePosixPath(path).parent) in folders
        and path not in recordings
        and not is_table(path)
        and not (texts and path.lower().endswith(".txt"))
    ]
    if others:
        number = "1 file that is" if len(others) == 1 else f"{len(others):,} files that are"
        kinds = ", ".join(sorted({PurePosixPath(one).suffix for one in files.include}))
        say(f"{root}: ignoring {number} not recordings ({kinds}): {list_some(others)}")


def _is_copy(path: str, file: str) -> bool:
    """Tell whether a name begins as that of a file and ends as it: `erkennung (1).txt`."""
    wanted, found = PurePosixPath(file.lower()), PurePosixPath(path.lower())
    if "*" in file or wanted.parent != found.parent or wanted == found:
        return False
    return found.name.startswith(wanted.stem) and found.suffix == wanted.suffix
