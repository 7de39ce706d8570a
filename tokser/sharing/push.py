"""A package into a place: what is there already is not sent again, the index comes last."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tokser.checksum_index import INDEX, ChecksumIndex
from tokser.errors import StoreMismatchError
from tokser.progress import byte_bar
from tokser.sharing.package import Kind, Package
from tokser.sharing.places import PROGRESS, Content, Place
from tokser.sharing.signature import SIGNATURE, sign

__all__ = ["Pushed", "push_package"]

_DOCUMENTS = ("zarr.json", "model.json")


@dataclass(frozen=True)
class Pushed:
    """What was pushed.

    Attributes:
        address: Where.
        kind: `store` or `model`.
        num_files: Files of the package, card and index among them.
        num_bytes: Their size.
        digest: sha256 (hex) of `SHA256SUMS`, which stands for every byte.
        is_signed: Whether it was signed.
    """

    address: str
    kind: Kind
    num_files: int
    num_bytes: int
    digest: str
    is_signed: bool


def push_package(package: Package, place: Place, *, key: Path | None = None) -> Pushed:
    """Upload a package; the same call resumes, or replaces an earlier version of it.

    Args:
        package: What to push.
        place: Where.
        key: SSH key to sign its index with.

    Raises:
        StoreMismatchError: The place holds something that tokser did not push.
        RunError: The place cannot be written to.
    """
    place.prepare()
    earlier = _earlier(place)
    files = dict(package.files)
    index = package.index
    if key is not None:
        files[SIGNATURE] = sign(index, key)
    files[INDEX] = files.pop(INDEX)  # last: nothing is named before it is there
    gone = [name for name in earlier if name not in files]
    if key is None and place.read(SIGNATURE) is not None:
        gone.append(SIGNATURE)
    sizes = {name: _size(content) for name, content in files.items()}
    total = sum(sizes.values())
    with byte_bar(f"Pushing to {place.address}", total=total) as count:
        _send(place, files, package.digests, gone, lambda name: count(sizes[name]))
    digest = sha256(index).hexdigest()
    return Pushed(place.address, package.kind, len(files), total, digest, key is not None)


def _send(
    place: Place,
    files: dict[str, Content],
    digests: dict[str, str],
    gone: list[str],
    on_file: Callable[[str], None],
) -> None:
    for name in place.upload(files, digests, gone):
        on_file(name)


def _earlier(place: Place) -> list[str]:
    """Return the files of the package that is there; refuse what is not one."""
    found = place.read(INDEX)
    if found is not None:
        try:
            return list(ChecksumIndex.from_bytes(found).digests)
        except ValueError:
            got = f"a {INDEX} of something else"
    elif place.read(PROGRESS) is None and any(place.read(name) is not None for name in _DOCUMENTS):
        got = "a store or model that was not pushed by tokser"
    else:
        return []
    raise _foreign(place, got)


def _foreign(place: Place, got: str) -> StoreMismatchError:
    return StoreMismatchError(
        place.address,
        expected="an empty place, or an earlier push",
        got=got,
        remedy="Name another place; nothing was changed.",
    )


def _size(content: Content) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size
