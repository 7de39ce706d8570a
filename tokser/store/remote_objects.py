"""Files of a store at a URL: s3, gs, az or http. The only file that imports obstore."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from tokser.errors import MissingPackageError, RunError, SettingsError

__all__ = ["RemoteObjects"]

_AT_ONCE = 16
"""Small objects asked for at the same time."""


class RemoteObjects:
    """A store at a URL, through obstore; dropped connections are tried again for a minute.

    Credentials, region and endpoint come from the environment, by the names that every tool of
    the service uses: AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, AWS_ALLOW_HTTP and so on.

    Args:
        address: The URL.

    Raises:
        MissingPackageError: obstore is not installed.
        SettingsError: The URL is not one that it can use.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        try:
            import obstore
        except ImportError as error:
            raise MissingPackageError(
                address,
                expected="the package obstore",
                got="none",
                remedy="Run `pip install 'tokser[cloud]'`.",
            ) from error
        self._obstore = obstore
        retries: Any = {"max_retries": 8, "retry_timeout": timedelta(minutes=1)}
        try:
            self.bucket: Any = obstore.store.from_url(self.address, retry_config=retries)
        except (obstore.exceptions.BaseError, ValueError) as error:
            raise SettingsError(
                address,
                expected="a URL such as s3://bucket/feats.zarr",
                got=str(error),
                remedy="Correct it, and set the service's variables, e.g. AWS_ACCESS_KEY_ID.",
            ) from error

    def put(self, key: str, parts: Iterable[Any]) -> None:
        """Write an object; services show it when it is whole."""
        with self._errors(key):
            self._obstore.put(self.bucket, key, b"".join(parts))

    def get(self, key: str) -> bytes | None:
        """Read an object."""
        try:
            with self._errors(key):
                return bytes(self._obstore.get(self.bucket, key).bytes())
        except FileNotFoundError:
            return None

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Read objects, some at the same time."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(self.get, keys))

    def get_range(self, key: str, first: int, after: int) -> bytes:
        """Read some bytes of an object that exists."""
        if after <= first:
            return b""
        with self._errors(key):
            return bytes(self._obstore.get_range(self.bucket, key, start=first, end=after))

    def size(self, key: str) -> int | None:
        """Size of an object."""
        try:
            with self._errors(key):
                return int(self._obstore.head(self.bucket, key)["size"])
        except FileNotFoundError:
            return None

    def delete(self, prefix: str) -> None:
        """Remove an object, or all whose keys go on after a slash."""
        with self._errors(prefix):
            listed = self._obstore.list(self.bucket, prefix=f"{prefix}/")
            keys = [entry["path"] for page in listed for entry in page]
            self._obstore.delete(self.bucket, [*keys, prefix])

    def local_path(self, key: str) -> Path | None:
        """Return None: nothing lies here."""
        return None

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except self._obstore.exceptions.BaseError as error:
            raise RunError(
                f"{self.address}/{key}",
                expected="an answer from the object store",
                got=str(error),
                remedy="See that it can be reached and that the credentials are right, then run "
                "this again: what was committed is intact.",
            ) from error
