"""Files of a store at a URL: s3, gs, az or http. The only file that imports obstore."""

import base64
import netrc
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from urllib.parse import unquote, urlsplit

from tokser.errors import MissingPackageError, RunError, SettingsError

__all__ = ["AUTHORIZATION_VARIABLE", "TIMEOUT_VARIABLE", "Piece", "RemoteObjects"]

AUTHORIZATION_VARIABLE = "TOKSER_HTTP_AUTHORIZATION"
"""Environment variable: the header `Authorization` of web addresses, such as `Bearer abc`."""

TIMEOUT_VARIABLE = "TOKSER_REMOTE_TIMEOUT_S"
"""Environment variable: how long a request is tried again before the run fails, in seconds."""

_TIMEOUT_S = 60.0
_AT_ONCE = 16
"""Small objects requested at the same time."""

_RANGES_AT_ONCE = 32
"""Ranges of bytes requested at the same time."""

_PART_BYTES = 8 * 2**20
_PARTS_AT_ONCE = 4
"""A shard goes up in parts; few at once, so that each is done in time on a slow line."""

_VARIABLES = {
    "AWS": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION",
    "GOOGLE": "GOOGLE_APPLICATION_CREDENTIALS",
    "AZURE": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_PREFIXES = {"s3": "AWS", "s3a": "AWS", "gs": "GOOGLE", "az": "AZURE", "abfs": "AZURE"}
_CLIENT_OPTIONS = (
    *("allow_http", "allow_invalid_certificates", "connect_timeout", "timeout"),
    *("proxy_url", "proxy_ca_certificate", "proxy_excludes", "user_agent"),
)
"""What the environment may say of connections; obstore drops it where options are given."""

_NO_RANGES = (
    "Serve the store from a web server that answers range requests: nginx, Apache or Caddy do, "
    "`python -m http.server` does not."
)
_REMEDIES = {
    "non-partial": _NO_RANGES,
    "Range request not supported": _NO_RANGES,
    "builder error": "If the endpoint is http:// on purpose, set AWS_ALLOW_HTTP=true.",
    "169.254.169.254": "No credentials were found: set AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, or AWS_SKIP_SIGNATURE=true for a public bucket.",
    "NoSuchBucket": "Make the bucket first, or correct its name.",
}
_BEYOND_THE_END = "status code: 416"
"""What an answer says of a range that begins behind an object's end."""
_OTHER_REMEDY = (
    "See that the service can be reached and that the credentials are right, then run this again: "
    "what was committed is intact."
)


class Piece(NamedTuple):
    """Some bytes of an object.

    Attributes:
        content: Anything with the buffer protocol.
        size: Bytes of the whole object; None if there is none.
    """

    content: Any
    size: int | None


class RemoteObjects:
    """A store at a URL, through obstore; a request that fails is tried again for a minute.

    Credentials, region and endpoint come from the environment, by the names that every tool of
    the service uses: AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, AWS_ALLOW_HTTP and so on. Those of a web
    address come from TOKSER_HTTP_AUTHORIZATION, or from the netrc file that curl reads, too.

    Args:
        address: The URL.

    Raises:
        MissingPackageError: obstore is not installed.
        SettingsError: The URL is not one that it can use.
    """

    _process: ClassVar[int | None] = None
    """The process whose threads talk to services; threads do not survive a fork."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._obstore = _import_obstore(address)
        prefix = _PREFIXES.get(address.partition("://")[0], "")
        timeout_s = _timeout_s()
        retries: Any = {
            "max_retries": 1_000,  # time is what limits them
            "retry_timeout": timedelta(seconds=timeout_s),
            "backoff": {"max_backoff": timedelta(seconds=min(5.0, timeout_s))},
        }
        try:
            self.bucket: Any = self._obstore.store.from_url(
                self.address,
                retry_config=retries,
                client_options=_client_options(address, prefix, timeout_s),
            )
        except (self._obstore.exceptions.BaseError, ValueError) as error:
            variables = _VARIABLES.get(prefix)
            raise SettingsError(
                address,
                expected="a URL such as s3://bucket/feats.zarr",
                got=_first_paragraph(error),
                remedy=f"Correct it, or set {variables}." if variables else "Correct it.",
            ) from error
        self._read_only = isinstance(self.bucket, self._obstore.store.HTTPStore)

    def put(self, key: str, parts: Iterable[Any]) -> None:
        """Write an object; services show it when it is whole."""
        self._refuse_if_read_only()
        content = b"".join(parts)
        with self._written(key):
            self._obstore.put(
                self.bucket, key, content, chunk_size=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE
            )

    def get(self, key: str) -> bytes | None:
        """Read an object."""
        try:
            with self.reached(key):
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
        with self.reached(key):
            return bytes(self._obstore.get_range(self.bucket, key, start=first, end=after))

    def get_ranges(self, wanted: Sequence[tuple[str, int, int]]) -> list[Piece]:
        """Read ranges of bytes, several at the same time, each with its object's size.

        obstore's own `get_ranges` reads from one object, and does not tell its size.

        Args:
            wanted: Key, first byte, and the byte after the last, of each.
        """
        if len(wanted) < 2:
            return [self._piece(*one) for one in wanted]
        with ThreadPoolExecutor(min(len(wanted), _RANGES_AT_ONCE)) as pool:
            return list(pool.map(lambda one: self._piece(*one), wanted))

    def _piece(self, key: str, first: int, after: int) -> Piece:
        if after <= first:
            return Piece(b"", self.size(key))
        try:
            with self.reached(key):
                found = self._obstore.get(self.bucket, key, options={"range": (first, after)})
                return Piece(found.bytes(), int(found.meta["size"]))
        except FileNotFoundError:
            return Piece(b"", None)
        except RunError as error:
            if _BEYOND_THE_END not in error.got:
                raise
            return Piece(b"", self.size(key))

    def size(self, key: str) -> int | None:
        """Size of an object."""
        try:
            with self.reached(key):
                return int(self._obstore.head(self.bucket, key)["size"])
        except FileNotFoundError:
            return None

    def keys_under(self, prefix: str) -> list[str]:
        """List the objects whose keys continue after a slash."""
        start = f"{prefix}/" if prefix else ""
        with self.reached(prefix):
            listed = self._obstore.list(self.bucket, prefix=start or None)
            return [str(entry["path"]).removeprefix(start) for page in listed for entry in page]

    def delete(self, prefix: str) -> None:
        """Remove an object, or all whose keys continue after a slash."""
        self._refuse_if_read_only()
        with self._written(prefix):
            listed = self._obstore.list(self.bucket, prefix=f"{prefix}/")
            keys = [entry["path"] for page in listed for entry in page]
            if self.size(prefix) is not None:
                keys.append(prefix)
            self._obstore.delete(self.bucket, keys)

    def local_path(self, key: str) -> Path | None:
        """Return None: nothing lies here."""
        return None

    @contextmanager
    def reached(self, key: str) -> Iterator[None]:
        """Tell a service that does not answer from an object that is not there.

        Raises:
            RunError: There was no answer, or a refusal; or this process is a fork of one that
                talks to a service, where no answer would ever come.
            FileNotFoundError: There is no such object.
        """
        self._refuse_fork()
        try:
            yield
        except self._obstore.exceptions.BaseError as error:
            raise self._failure(key, error) from error

    @contextmanager
    def _written(self, key: str) -> Iterator[None]:
        """As `reached`; what is not there when something is written is the bucket."""
        try:
            with self.reached(key):
                yield
        except FileNotFoundError as error:
            raise self._failure(key, error) from error

    def _failure(self, key: str, error: Exception) -> RunError:
        got = _first_paragraph(error)
        remedies = (remedy for part, remedy in _REMEDIES.items() if part in got)
        return RunError(
            f"{self.address}/{key}",
            expected="an answer from the object store",
            got=got,
            remedy=next(remedies, _OTHER_REMEDY),
        )

    def _refuse_if_read_only(self) -> None:
        if self._read_only:
            raise SettingsError(
                self.address,
                expected="a store that can be written: a folder, or a URL of s3, gs or az",
                got="a web address, which can only be read",
                remedy="Write the store elsewhere, and serve it from there.",
            )

    def _refuse_fork(self) -> None:
        here = os.getpid()
        if RemoteObjects._process is None:
            RemoteObjects._process = here
        elif RemoteObjects._process != here:
            raise RunError(
                self.address,
                expected="a process of its own (spawn)",
                got="a fork of a process that has read from an object store",
                remedy="Start workers by spawn: DataLoader(..., multiprocessing_context='spawn').",
            )


def _import_obstore(address: str) -> Any:
    try:
        import obstore
        import obstore.store
    except ImportError as error:
        raise MissingPackageError(
            address,
            expected="the package obstore",
            got="none",
            remedy="Run `pip install 'tokser[cloud]'`.",
        ) from error
    return obstore


def _timeout_s() -> float:
    text = os.environ.get(TIMEOUT_VARIABLE, "")
    try:
        seconds = float(text or _TIMEOUT_S)
        if not 0 < seconds < float("inf"):
            raise ValueError(f"{seconds} is not a duration")
    except ValueError as error:
        raise SettingsError(
            TIMEOUT_VARIABLE,
            expected="a number of seconds above 0",
            got=repr(text),
            remedy=f"Correct it, or unset it for {_TIMEOUT_S:.0f} s.",
        ) from error
    return seconds


def _client_options(address: str, prefix: str, timeout_s: float) -> Any:
    """Return how connections are made: what the environment says, else our own."""
    ours: dict[str, Any] = {"timeout": timedelta(seconds=timeout_s)}
    if address.startswith("http://"):
        ours["allow_http"] = True
    if address.startswith(("http://", "https://")):
        authorization = _authorization(address)
        if authorization:
            ours["default_headers"] = {"authorization": authorization}
    named = {option: f"{prefix}_{option.upper()}" for option in _CLIENT_OPTIONS}
    return ours | {key: os.environ[name] for key, name in named.items() if name in os.environ}


def _authorization(address: str) -> str | None:
    """Return the header that a web server asks for, None without any.

    It is of the address itself (obstore does not send that), else the environment's, else of the
    netrc file.
    """
    url = urlsplit(address)
    if url.username is not None:
        return _basic(unquote(url.username), unquote(url.password or ""))
    stated = os.environ.get(AUTHORIZATION_VARIABLE)
    if stated:
        return stated
    path = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    try:
        login = netrc.netrc(path).authenticators(url.hostname or "")
    except FileNotFoundError:
        return None
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError) as error:
        raise SettingsError(
            path,
            expected="a netrc file",
            got=f"one that cannot be read ({type(error).__name__})",
            remedy="Correct it; each entry is: machine HOST login USER password PASSWORD.",
        ) from error
    if login is None:
        return None
    user, _, password = login
    return _basic(user, password)


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _first_paragraph(error: Exception) -> str:
    """Leave out what obstore appends for its own developers."""
    return " ".join(str(error).partition("\n\nDebug source")[0].split())
