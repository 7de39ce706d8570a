"""What is shared: a store, or features of it, or a model; every file with its digest."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from tokser.checksum_index import INDEX, ChecksumIndex
from tokser.checksummed_folder import ChecksummedFolder
from tokser.durable import sha256_of_file
from tokser.errors import DamagedFileError, MissingInputError, SettingsError, list_some
from tokser.progress import byte_bar
from tokser.sharing.card import CARD, dataset_card
from tokser.sharing.licence import CorpusLicence
from tokser.sharing.places import Content
from tokser.sharing.selection import part_of_store
from tokser.store import open_store, verify_store
from tokser.store.objects import LocalObjects

__all__ = ["MODEL", "Kind", "Package", "model_package", "store_package"]

MODEL = "model.json"
Kind = Literal["store", "model"]
_HASHED_AT_ONCE = 4


@dataclass(frozen=True)
class Package:
    """Everything that is to lie in one place.

    Attributes:
        kind: `store` or `model`.
        files: Content by key; `SHA256SUMS` and the card are the last.
        digests: sha256 (hex) of all that `SHA256SUMS` names.
    """

    kind: Kind
    files: dict[str, Content]
    digests: dict[str, str]

    @property
    def index(self) -> bytes:
        """Content of `SHA256SUMS`."""
        content = self.files[INDEX]
        return content if isinstance(content, bytes) else content.read_bytes()


def store_package(
    source: Path,
    address: str,
    licence: CorpusLicence,
    *,
    features: Sequence[str] = (),
    functionals_only: bool = False,
) -> Package:
    """Make a package of a store on this machine; every checksum in it is verified.

    Folders of this machine, where recordings and models were, are left out.

    Args:
        source: Folder of the store.
        address: Where it will be shared.
        licence: Of the corpus.
        features: Which to share; all where none is named.
        functionals_only: Share mean and standard deviation alone.

    Raises:
        SettingsError: It is an HDF5 store, or has no such feature.
        CorruptStoreError, StoreIncompleteError: It is damaged or incomplete.
    """
    store = open_store(source, check=True)
    if store.backend.name != "zarr":
        raise SettingsError(
            source,
            expected="a Zarr store, which can be read in place",
            got="an HDF5 store",
            remedy=f"Convert it first: `tokser store convert {source} {source.stem}.zarr`.",
        )
    part = part_of_store(store.backend, features, functionals_only=functionals_only)
    for name in part.features:
        store[name].require_complete()
    _refuse_damaged(source)
    changed = part.documents(without_places=True)
    there = [key for key in LocalObjects(source).keys_under("") if not _is_leftover(key)]
    files: dict[str, Content] = {
        key: changed.get(key, source / key) for key in sorted(part.keys(there), key=_order)
    }
    digests = _digests(files)
    card = dataset_card(part, store.utterances, licence, address)
    files[CARD] = card.encode()
    index = ChecksumIndex(part.root.manifest_digest, {k: (d,) for k, d in digests.items()})
    files[INDEX] = index.to_bytes()
    return Package("store", files, digests)


def model_package(source: Path) -> Package:
    """Make a package of a model folder, whose files are checked; the card goes as it is.

    Raises:
        MissingInputError: There is no model.
        DamagedFileError: It is not as it was written.
    """
    if not (source / MODEL).is_file():
        raise MissingInputError(
            source,
            expected="a store, or the folder of a model",
            got="nothing of the kind",
            remedy="Name a store of `tokser extract`, or a folder of `tokser fit`.",
        )
    folder = ChecksummedFolder(source)
    faults = folder.faults()
    if faults:
        raise DamagedFileError(
            source,
            expected=f"the files that {INDEX} names",
            got=list_some([f"{name} {fault}" for name, fault in faults.items()]),
            remedy="Run the command that made it again.",
        )
    digests = {name: folder.digest(name) or "" for name in folder.listed()}
    files: dict[str, Content] = {name: source / name for name in digests}
    if (source / CARD).is_file():
        files[CARD] = source / CARD
    files[INDEX] = (source / INDEX).read_bytes()
    return Package("model", files, digests)


def _refuse_damaged(source: Path) -> None:
    verification = verify_store(open_store(source))
    if verification.damages:
        raise DamagedFileError(
            source,
            expected="a store without damage",
            got=list_some([str(one) for one in verification.damages]),
            remedy=f"Run `tokser store repair {source}` first.",
        )


def _is_leftover(key: str) -> bool:
    name = key.rpartition("/")[2]
    return name.startswith(".") or name.endswith(".partial") or key in (CARD, INDEX)


def _order(key: str) -> tuple[bool, int, str]:
    """Shards first and documents last, so that nothing is named before it is there."""
    is_document = key.endswith("zarr.json")
    return is_document, -key.count("/") if is_document else 0, key


def _digests(files: dict[str, Content]) -> dict[str, str]:
    total = sum(one.stat().st_size for one in files.values() if isinstance(one, Path))
    found: dict[str, str] = {}
    with (
        byte_bar("Computing digests", total=total) as count,
        ThreadPoolExecutor(_HASHED_AT_ONCE) as pool,
    ):
        for key, digest in zip(files, pool.map(_digest, files.values()), strict=True):
            found[key] = digest
            content = files[key]
            count(content.stat().st_size if isinstance(content, Path) else 0)
    return found


def _digest(content: Content) -> str:
    return sha256(content).hexdigest() if isinstance(content, bytes) else sha256_of_file(content)
