"""Export of features: each as a file or folder of its own, in a folder written whole or not."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from tokser.errors import SettingsError
from tokser.progress import progress_bar
from tokser.provenance import Stamp
from tokser.store.address import is_remote
from tokser.store.export.folder import new_folder
from tokser.store.export.huggingface import require_datasets, write_dataset
from tokser.store.export.npz import write_npz
from tokser.store.export.parquet import write_parquet
from tokser.store.layer import Layer
from tokser.store.reader import Store

__all__ = ["ExportFormat", "paths_of", "refuse_format", "write_export"]

ExportFormat = Literal["npz", "parquet", "datasets"]


class _Format(NamedTuple):
    """How a feature is written, and what the name of its file ends in."""

    write: Callable[[Store, Layer, Path, Callable[[int], None]], None]
    suffix: str


_FORMATS: dict[str, _Format] = {
    "npz": _Format(write_npz, ""),
    "parquet": _Format(write_parquet, ".parquet"),
    "datasets": _Format(write_dataset, ""),
}


def refuse_format(out: str, format_: str) -> None:
    """Raise unless there is such a format, its package, and it can be written there.

    Raises:
        SettingsError: There is no such format, or `out` is a URL.
        MissingPackageError: The format needs a package that is not installed.
    """
    if format_ not in _FORMATS:
        raise SettingsError(
            "format",
            expected=f"one of {', '.join(_FORMATS)}",
            got=repr(format_),
            remedy="Correct --format.",
        )
    if is_remote(out):
        raise SettingsError(
            out, expected="a local folder", got="a URL", remedy="Export here, then copy it."
        )
    if format_ == "datasets":
        require_datasets()


def paths_of(layers: Sequence[Layer], folder: Path, format_: str) -> dict[str, Path]:
    """Return the file or folder of each feature, by name."""
    suffix = _FORMATS[format_].suffix
    return {layer.name: folder / f"{layer.name}{suffix}" for layer in layers}


def write_export(
    store: Store, layers: Sequence[Layer], folder: Path, format_: str, stamp: Stamp
) -> None:
    """Write features into a new folder, and its stamp last."""
    total = sum(int(layer.lengths.sum()) for layer in layers)
    with (
        new_folder(folder) as partial,
        progress_bar(f"export {store.path}", total=total, unit="rows") as bar,
    ):
        paths = paths_of(layers, partial, format_)
        for layer in layers:
            _FORMATS[format_].write(store, layer, paths[layer.name], bar.advance)
        stamp.write(partial)
