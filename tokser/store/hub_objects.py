"""Files of a store in a repository of the hub: read in place, through the hub's cache on disk."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tokser.errors import SettingsError
from tokser.hub import HubRepository
from tokser.store.objects import LocalObjects

__all__ = ["HubObjects"]

_AT_ONCE = 8


class HubObjects:
    """A store at `hf://datasets/USER/NAME`: a file is fetched when it is first read.

    It lies in the hub's cache from then on, so shards are mapped into memory as those of a local
    store are. All files are those of one commit, whatever is pushed meanwhile.

    Args:
        address: `hf://...`.
    """

    def __init__(self, address: str) -> None:
        self.repository = HubRepository(address)
        self.address = self.repository.address

    def put(self, key: str, parts: Iterable[Any]) -> None:
        """Refuse: a repository is written by `tokser push`."""
        raise self._read_only()

    def get(self, key: str) -> bytes | None:
        """Read a file."""
        path = self.local_path(key)
        return None if path is None else path.read_bytes()

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Read files, some at the same time."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(self.get, keys))

    def get_range(self, key: str, first: int, after: int) -> bytes:
        """Read some bytes of a file that exists."""
        path = self.local_path(key)
        if path is None:
            raise FileNotFoundError(f"{self.address}/{key}")
        return LocalObjects(path.parent).get_range(path.name, first, after)

    def size(self, key: str) -> int | None:
        """Size of a file; it is not fetched."""
        return self.repository.sizes.get(key)

    def keys_under(self, prefix: str) -> list[str]:
        """List the files under a folder."""
        start = f"{prefix}/" if prefix else ""
        return [key.removeprefix(start) for key in self.repository.sizes if key.startswith(start)]

    def delete(self, prefix: str) -> None:
        """Refuse: a repository is written by `tokser push`."""
        raise self._read_only()

    def local_path(self, key: str) -> Path | None:
        """Path of a file in the hub's cache, fetched if need be; None if there is none."""
        return self.repository.cached(key)

    def _read_only(self) -> SettingsError:
        return SettingsError(
            self.address,
            expected="a store that can be written",
            got="a repository of the hub, which is read in place",
            remedy=f"Fetch it with `tokser pull {self.address} STORE`, change that, and push it.",
        )
