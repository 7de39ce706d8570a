"""The output folder of a command whose table stands alone: table, figures, and what made them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tokser.checksummed_folder import ChecksummedFolder
from tokser.config import Settings
from tokser.provenance import Stamp
from tokser.store import Store

__all__ = ["write_study"]


def write_study(
    out: Path,
    files: Mapping[str, bytes],
    *,
    command: str,
    settings: Settings,
    store: Store,
    features: Sequence[str],
) -> None:
    """Write tables and figures with their checksums, and last `provenance.json`.

    Args:
        out: The folder.
        files: Their content, by name.
        command: What makes them, such as `probe`.
        settings: Of that command.
        store: What it read.
        features: Those that it read.
    """
    ChecksummedFolder(out).put(files)
    inputs = {"dataset": store.dataset} | {name: store.identity(name) for name in features}
    Stamp(command, settings.model_dump(mode="json"), inputs).write(out)
