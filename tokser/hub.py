"""A repository of the Hugging Face hub: addresses, files read through its cache, uploads.

`hf://datasets/USER/NAME` is a repository of data, `hf://USER/NAME` one of a model;
`@REVISION` after the name is a branch, tag or commit, and a folder of the repository may follow.
Token, endpoint and cache folder come from the environment, as every tool of the hub reads them:
HF_TOKEN, HF_ENDPOINT, HF_HOME.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from tokser.errors import MissingInputError, RunError, SettingsError

__all__ = ["SCHEME", "HubAddress", "HubRepository"]

SCHEME = "hf://"
_ADDRESS = re.compile(
    r"hf://(?P<kind>datasets/|models/)?(?P<repo>(?!(datasets|models|spaces)/)[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+?))?"
    r"(/(?P<folder>[^@]+?))?/?"
)
_UPLOADED_AT_ONCE = 64
"""Files whose digests and upload links are asked for together."""


@dataclass(frozen=True)
class HubAddress:
    """What an address of the hub names.

    Attributes:
        kind: `dataset` or `model`.
        repo: `USER/NAME`.
        revision: Branch, tag or commit.
        folder: Of the repository, "" for all of it.
    """

    kind: Literal["dataset", "model"]
    repo: str
    revision: str = "main"
    folder: str = ""

    @classmethod
    def parse(cls, address: str) -> "HubAddress":
        """Read an address; `SettingsError` if it is none."""
        found = _ADDRESS.fullmatch(address)
        if not found:
            raise SettingsError(
                address,
                expected="hf://datasets/USER/NAME or hf://USER/NAME, with @REVISION if need be",
                got="another form",
                remedy="Correct it; stores are datasets, models are models.",
            )
        kind: Literal["dataset", "model"] = "dataset" if found["kind"] == "datasets/" else "model"
        return cls(kind, found["repo"], found["revision"] or "main", found["folder"] or "")

    def path(self, key: str) -> str:
        """Return the path in the repository of a file of the folder."""
        return f"{self.folder}/{key}" if self.folder else key


class HubRepository:
    """The files under one address, read as they were at one commit.

    Args:
        address: `hf://...`.

    Raises:
        SettingsError: It is no address of the hub.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self.parts = HubAddress.parse(self.address)

    @cached_property
    def commit(self) -> str:
        """The commit that the revision is; asked once."""
        with self._reached(""):
            info = self._api.repo_info(
                self.parts.repo, repo_type=self.parts.kind, revision=self.parts.revision
            )
        return str(info.sha)

    @cached_property
    def sizes(self) -> Mapping[str, int]:
        """Size in bytes of every file under the folder, by its path relative to it."""
        from huggingface_hub.hf_api import RepoFile

        start = f"{self.parts.folder}/" if self.parts.folder else ""
        with self._reached(""):
            listed = self._api.list_repo_tree(
                self.parts.repo,
                path_in_repo=self.parts.folder or None,
                recursive=True,
                revision=self.commit,
                repo_type=self.parts.kind,
            )
            files = [one for one in listed if isinstance(one, RepoFile)]
        return {one.path.removeprefix(start): one.size for one in files}

    def cached(self, key: str) -> Path | None:
        """Return the path of a file in the hub's cache, fetched if need be; None without one."""
        if key not in self.sizes:
            return None
        return self._download(key)

    def download(self, key: str, folder: Path) -> Path:
        """Fetch a file to `folder/KEY`, past the cache; an interrupted download is continued."""
        return self._download(key, local_dir=folder)

    def create(self) -> None:
        """Make the repository, private, unless it is there."""
        with self._reached(""):
            self._api.create_repo(
                self.parts.repo, repo_type=self.parts.kind, private=True, exist_ok=True
            )

    def upload(
        self,
        files: Mapping[str, Path | bytes],
        *,
        delete: Iterable[str],
        message: str,
    ) -> Iterator[str]:
        """Upload files, and show them all at once, in one commit, when every one is there.

        What the hub has already, by its sha256, is not sent again.

        Yields:
            Key of each file that has been sent.
        """
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        additions = [
            CommitOperationAdd(self.parts.path(key), content) for key, content in files.items()
        ]
        keys = list(files)
        place: dict[str, Any] = {
            "repo_id": self.parts.repo,
            "repo_type": self.parts.kind,
            "revision": self.parts.revision,
        }
        for first in range(0, len(additions), _UPLOADED_AT_ONCE):
            some = additions[first : first + _UPLOADED_AT_ONCE]
            with self._reached(keys[first]), _silent(), _upload_failures():
                self._api.preupload_lfs_files(additions=some, **place)
            yield from keys[first : first + _UPLOADED_AT_ONCE]
        removals = [CommitOperationDelete(self.parts.path(key)) for key in delete]
        with self._reached(""), _silent():
            self._api.create_commit(
                operations=[*additions, *removals], commit_message=message, **place
            )

    @cached_property
    def _api(self) -> Any:
        from huggingface_hub import HfApi

        return HfApi(library_name="tokser")

    def _download(self, key: str, local_dir: Path | None = None) -> Path:
        from huggingface_hub import hf_hub_download

        with self._reached(key), _silent():
            return Path(
                hf_hub_download(
                    self.parts.repo,
                    self.parts.path(key),
                    repo_type=self.parts.kind,
                    revision=self.commit,
                    local_dir=local_dir,
                )
            )

    @contextmanager
    def _reached(self, key: str) -> Iterator[None]:
        from huggingface_hub.errors import (
            GatedRepoError,
            HfHubHTTPError,
            HFValidationError,
            LocalEntryNotFoundError,
            OfflineModeIsEnabled,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )

        where = f"{self.address}/{key}" if key else self.address
        try:
            yield
        except (RepositoryNotFoundError, GatedRepoError, RevisionNotFoundError) as error:
            raise MissingInputError(
                where,
                expected="a repository that is there, and that you may use",
                got=_first_line(error),
                remedy="Check the spelling, and log in if it is private: `hf auth login`, or "
                "HF_TOKEN.",
            ) from error
        except (LocalEntryNotFoundError, OfflineModeIsEnabled, _no_answer()) as error:
            raise RunError(
                where,
                expected="an answer from the hub",
                got=_first_line(error),
                remedy="Check the network (HTTPS_PROXY, HF_HUB_OFFLINE), then run this again: what "
                "was transferred is kept.",
            ) from error
        except HFValidationError as error:
            raise SettingsError(
                where,
                expected="the name of a repository",
                got=_first_line(error),
                remedy="Correct it: USER/NAME.",
            ) from error
        except (HfHubHTTPError, _UploadError) as error:
            raise RunError(
                where,
                expected="the hub to do what was asked",
                got=_first_line(error),
                remedy="Log in with the right to write, `hf auth login`; then run this again: what "
                "was transferred is kept.",
            ) from error


def _no_answer() -> type[Exception]:
    """Return what the hub's HTTP library raises where nothing answers: httpx, or its successor."""
    from huggingface_hub.errors import HfHubHTTPError

    library = import_module(HfHubHTTPError.__bases__[0].__module__.partition(".")[0])
    found: type[Exception] = library.TransportError
    return found


class _UploadError(Exception):
    """A file that the hub did not take."""


@contextmanager
def _upload_failures() -> Iterator[None]:
    """Tell the hub's RuntimeError about an upload from other errors of that type."""
    try:
        yield
    except RuntimeError as error:
        raise _UploadError(f"{error} {error.__cause__ or ''}".strip()) from error


@contextmanager
def _silent() -> Iterator[None]:
    """Hide the hub's own bars: the caller has one."""
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    if are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
