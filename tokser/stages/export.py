"""Write features of a store in other programs' formats."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tokser.progress import say
from tokser.provenance import Stamp
from tokser.store import open_store
from tokser.store.export.pieces import select_layers
from tokser.store.export.write import ExportFormat, paths_of, refuse_format, write_export

__all__ = ["Export", "ExportFormat", "export"]


@dataclass(frozen=True)
class Export:
    """What a call of `export` wrote.

    Attributes:
        folder: What was written.
        paths: File or folder of each feature, by name.
        num_bytes: Size of everything in it, on the disk.
        seconds: How long that took; 0 if it was there already.
        quarantined: Reasons, by id, of the utterances that were left out.
    """

    folder: Path
    paths: dict[str, Path]
    num_bytes: int
    seconds: float
    quarantined: dict[str, str]


def export(
    store: str,
    out: str,
    *,
    format: ExportFormat,  # noqa: A002  the name of the option
    features: Sequence[str] = (),
    functionals: bool = False,
) -> Export:
    """Write features of a store into a new folder, each as a file or folder of its own.

    Args:
        store: Folder or URL of the store.
        out: Folder to write, completely or not at all; nothing is overwritten.
        format: `npz`, `parquet`, or `datasets` for Hugging Face's.
        features: Which to write; all by default.
        functionals: Write their functionals instead of their rows.

    Raises:
        InputError: There is no such store, feature or format, or something is at `out`.
        MissingPackageError: The format needs a package that is not installed.
        StoreError: The store is damaged or incomplete.
        RunError: The folder cannot be written.
    """
    start = time.perf_counter()
    refuse_format(out, format)
    opened = open_store(store, check=True)
    layers = select_layers(opened, features, functionals=functionals)
    stamp = Stamp("export", {"format": format}, {one.name: one.identity for one in layers})
    folder, seconds = Path(out), 0.0
    if stamp.marks(folder):
        say(f"{out}: already exported")
    else:
        write_export(opened, layers, folder, format, stamp)
        seconds = time.perf_counter() - start
    return Export(
        folder,
        paths_of(layers, folder, format),
        sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        seconds,
        {name: why for layer in layers for name, why in layer.quarantined.items()},
    )
