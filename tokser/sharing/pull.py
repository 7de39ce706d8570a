"""A package out of a place: every file is held against its digest, and shows when all are there."""

import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from filelock import FileLock, Timeout

from tokser.checksum_index import INDEX, ChecksumIndex
from tokser.durable import sha256_of_file, write_atomically
from tokser.errors import DamagedFileError, MissingInputError, SettingsError
from tokser.file_locks import acquire
from tokser.progress import progress_bar
from tokser.sharing.card import CARD
from tokser.sharing.package import MODEL, Kind
from tokser.sharing.places import Place
from tokser.sharing.selection import part_of_store
from tokser.sharing.signature import SIGNATURE, check_signature, signer_of
from tokser.store.zarr_backend import ZarrBackend

__all__ = ["Pulled", "pull_package"]

_AT_ONCE = 4


@dataclass(frozen=True)
class Pulled:
    """What was pulled.

    Attributes:
        target: Folder of the store or model.
        kind: `store` or `model`.
        num_files: Files that it has.
        digest: sha256 (hex) of `SHA256SUMS`, which the sender was told.
        signer: Fingerprint of the key that signed; empty where none did.
        is_trusted: Whether that key is one that was asked for.
    """

    target: Path
    kind: Kind
    num_files: int
    digest: str
    signer: str
    is_trusted: bool


def pull_package(
    place: Place,
    target: Path,
    *,
    features: Sequence[str] = (),
    functionals_only: bool = False,
    signed_by: Path | None = None,
) -> Pulled:
    """Fetch a store, or features of it, or a model; the same call continues where it stopped.

    Files come into `TARGET.partial`, which becomes the target when all are there.

    Args:
        place: Where it is shared.
        target: Folder to write, which must not exist.
        features: Of a store, which to fetch; all where none is named.
        functionals_only: Of a store, leave out the rows.
        signed_by: File of public keys, one of which must have signed.

    Raises:
        MissingInputError: There is nothing that tokser pushed.
        SettingsError: The target exists, or the store has no such feature.
        DamagedFileError: A file is not the one that was pushed, or the signature is not right.
    """
    if target.exists():
        raise SettingsError(
            target,
            expected="a new folder",
            got="one that exists",
            remedy="Name another, or remove this one.",
        )
    index_bytes, index = _read_index(place)
    digests = {key: of_key[0] for key, of_key in index.digests.items()}
    signature = place.read(SIGNATURE)
    signer = signer_of(index_bytes, signature) if signature else ""
    if signed_by is not None:
        signer = check_signature(place.address, index_bytes, signature, signed_by)
    kind: Kind = "model" if MODEL in digests else "store"
    documents: dict[str, bytes] = {}
    keys = list(digests)
    if kind == "store":
        part = part_of_store(
            ZarrBackend(cast(Any, _Documents(place, digests))),
            features,
            functionals_only=functionals_only,
        )
        keys = part.keys(digests)
        documents = {} if part.is_whole else part.documents(without_places=False)
    elif features or functionals_only:
        raise SettingsError(
            place.address,
            expected="a store, of which features can be pulled",
            got="a model",
            remedy="Leave out --features and --functionals-only.",
        )
    partial = target.with_name(f"{target.name}.partial")
    with _held(partial):
        _fetch(place, partial, {key: digests[key] for key in keys if key not in documents})
        for key, content in documents.items():
            write_atomically(partial / key, content)
        _add_card(place, partial)
        if kind == "model":
            write_atomically(partial / INDEX, index_bytes)
        shutil.rmtree(partial / ".cache", ignore_errors=True)  # the hub's notes on downloads
        partial.rename(target)
    digest = sha256(index_bytes).hexdigest()
    return Pulled(target, kind, len(keys), digest, signer, signed_by is not None)


def _read_index(place: Place) -> tuple[bytes, ChecksumIndex]:
    content = place.read(INDEX)
    if content is None:
        raise MissingInputError(
            place.address,
            expected=f"what `tokser push` left, with a file {INDEX}",
            got="none",
            remedy="Correct the address. A bucket's store that was not pushed is copied by "
            "`tokser store convert`.",
        )
    try:
        return content, ChecksumIndex.from_bytes(content)
    except ValueError as error:
        raise DamagedFileError(
            f"{place.address}/{INDEX}",
            expected="the digests of all files",
            got=str(error),
            remedy="Ask the sender to push it again.",
        ) from error


class _Documents:
    """What the documents of a store are read from; each is held against its digest."""

    def __init__(self, place: Place, digests: dict[str, str]) -> None:
        self.address, self._place, self._digests = place.address, place, digests

    def get(self, key: str) -> bytes | None:
        content = self._place.read(key) if key in self._digests else None
        if content is not None and sha256(content).hexdigest() != self._digests[key]:
            raise _other_content(f"{self.address}/{key}")
        return content


def _fetch(place: Place, folder: Path, digests: dict[str, str]) -> None:
    """Fetch what the folder lacks; what a killed call left is kept where its digest is right."""

    def fetch(key: str) -> None:
        path = folder / key
        if path.is_file() and sha256_of_file(path) == digests[key]:
            return
        path.unlink(missing_ok=True)
        place.fetch(key, folder)
        if sha256_of_file(path) != digests[key]:
            path.unlink()
            raise _other_content(f"{place.address}/{key}")

    with (
        progress_bar(f"Pulling {place.address}", total=len(digests), unit="files") as bar,
        ThreadPoolExecutor(_AT_ONCE) as pool,
    ):
        try:
            for _ in pool.map(fetch, digests):
                bar.advance()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _add_card(place: Place, folder: Path) -> None:
    card = place.read(CARD)
    if card is not None:
        write_atomically(folder / CARD, card)


@contextmanager
def _held(partial: Path) -> Iterator[None]:
    """Hold the folder against another pull; a dead process holds nothing."""
    partial.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{partial}.lock")
    try:
        acquire(lock, 0, remedy="Name a folder on another disk.")
    except Timeout as error:
        raise SettingsError(
            partial,
            expected="one pull at a time",
            got="another that is running",
            remedy="Wait for it, or name another folder.",
        ) from error
    try:
        yield
    finally:
        lock.release()
    Path(lock.lock_file).unlink(missing_ok=True)


def _other_content(where: str) -> DamagedFileError:
    return DamagedFileError(
        where,
        expected=f"the file that was pushed, whose digest is in {INDEX}",
        got="another one",
        remedy="Run this again; if it stays so, ask the sender to push it again.",
    )
