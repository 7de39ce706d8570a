"""Write features of a store in other programs' formats."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tokser.errors import SettingsError
from tokser.progress import progress_bar, say
from tokser.provenance import Stamp
from tokser.store import Layer, Store, is_remote, open_store
from tokser.store.export.folder import new_folder
from tokser.store.export.huggingface import require_datasets, write_dataset
from tokser.store.export.npz import write_npz
from tokser.store.export.parquet import write_parquet
from tokser.store.export.pieces import choose_layers

__all__ = ["Export", "ExportFormat", "export"]

ExportFormat = Literal["npz", "parquet", "datasets"]

Writer = Callable[[Store, Layer, Path, Callable[[int], None]], None]
_WRITERS: dict[str, tuple[Writer, str]] = {
    "npz": (write_npz, ""),
    "parquet": (write_parquet, ".parquet"),
    "datasets": (write_dataset, ""),
}


@dataclass(frozen=True)
class Export:
    """What a call of `export` left behind.

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
    _refuse_settings(out, format)
    opened = open_store(store, check=True)
    layers = choose_layers(opened, features, functionals=functionals)
    stamp = Stamp("export", {"format": format}, {one.name: one.identity for one in layers})
    folder, seconds = Path(out), 0.0
    if stamp.marks(folder):
        say(f"{out}: already exported")
    else:
        _write(opened, layers, folder, format, stamp)
        seconds = time.perf_counter() - start
    suffix = _WRITERS[format][1]
    return Export(
        folder,
        {layer.name: folder / f"{layer.name}{suffix}" for layer in layers},
        sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        seconds,
        {name: why for layer in layers for name, why in layer.quarantined.items()},
    )


def _refuse_settings(out: str, format_: str) -> None:
    if format_ not in _WRITERS:
        raise SettingsError(
            "format",
            expected=f"one of {', '.join(_WRITERS)}",
            got=repr(format_),
            remedy="Correct --format.",
        )
    if is_remote(out):
        raise SettingsError(
            out, expected="a local folder", got="a URL", remedy="Export here, then copy it."
        )
    if format_ == "datasets":
        require_datasets()


def _write(store: Store, layers: Sequence[Layer], folder: Path, format_: str, stamp: Stamp) -> None:
    write, suffix = _WRITERS[format_]
    total = sum(int(layer.lengths.sum()) for layer in layers)
    with (
        new_folder(folder) as partial,
        progress_bar(f"export {store.path}", total=total, unit="rows") as bar,
    ):
        for layer in layers:
            write(store, layer, partial / f"{layer.name}{suffix}", bar.advance)
        stamp.write(partial)
