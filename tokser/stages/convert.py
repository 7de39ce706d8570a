"""Copy a store into another format or compression."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from tokser.progress import byte_bar
from tokser.store import Compression, open_store
from tokser.store.convert import convert_store, num_bytes_to_convert

__all__ = ["Conversion", "convert"]


@dataclass(frozen=True)
class Conversion:
    """What a call of `convert` wrote.

    Attributes:
        store: Folder or URL of the copy.
        features: Names of the features in it.
        num_bytes: Bytes of rows that were compared, uncompressed.
        seconds: How long that took.
        quarantined: Reasons, by id, of the quarantined utterances.
    """

    store: str
    features: tuple[str, ...]
    num_bytes: int
    seconds: float
    quarantined: dict[str, str]


def convert(
    source: str, target: str, *, compression: Compression = "none", features: Sequence[str] = ()
) -> Conversion:
    """Copy a store; the same call again resumes where it was stopped.

    Args:
        source: Folder or URL of the store.
        target: Folder or URL of the copy; its suffix decides the format.
        compression: Of the copy's rows.
        features: Which to copy, with their functionals; all by default.

    Raises:
        InputError: Source and target overlap, or there is no such store, feature or compression.
        StoreError: The source is damaged or incomplete, or the target holds something else.
        RunError: The target cannot be written to.
    """
    start = time.perf_counter()
    total = num_bytes_to_convert(open_store(source), features)
    with byte_bar(f"convert {source}", total=total) as count:
        copy = convert_store(
            source, target, compression=compression, features=features, on_bytes=count
        )
    seconds = time.perf_counter() - start
    return Conversion(target, tuple(copy.features), total, seconds, copy.quarantined)
