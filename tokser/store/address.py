"""From a store's address to its backend: what a path ends in, or what lies there."""

from collections.abc import Callable
from pathlib import Path

from tokser.errors import MissingInputError, SettingsError
from tokser.hub import SCHEME as HUB_SCHEME
from tokser.store.backend import Backend
from tokser.store.objects import LocalObjects
from tokser.store.schema import not_a_store
from tokser.store.zarr_backend import ROOT_DOCUMENT, ZarrBackend

__all__ = ["backend_at", "existing_backend", "is_remote", "store_name"]

HDF5_SUFFIXES = (".h5", ".hdf5")
_ROOT_DOCUMENTS = {"zarr": ROOT_DOCUMENT, "hdf5": "store.json"}


def is_remote(address: str) -> bool:
    """Tell whether an address is a URL."""
    return "://" in address


def store_name(address: str) -> str:
    """Return the last part of an address without its suffix: `emodb` of `s3://b/emodb.zarr`."""
    return Path(address.rstrip("/")).stem


def backend_at(address: str) -> Backend:
    """Return the backend for a store that may not exist yet: HDF5 by suffix, else Zarr.

    Raises:
        SettingsError: The address is a URL that cannot be used.
    """
    if not is_remote(address):
        _refuse_lost_slash(address)
        local = LocalObjects(Path(address))
        if address.endswith(HDF5_SUFFIXES):
            return _hdf5(local)
        return ZarrBackend(local)
    if address.endswith(HDF5_SUFFIXES):
        raise SettingsError(
            address,
            expected="a Zarr store at a URL",
            got="the suffix of HDF5",
            remedy="HDF5 stores are local folders: use a name that ends in .zarr.",
        )
    if address.startswith(HUB_SCHEME):
        from tokser.store.hub_objects import HubObjects

        return ZarrBackend(HubObjects(address))
    from tokser.store.remote_objects import RemoteObjects

    return ZarrBackend(RemoteObjects(address))


def existing_backend(address: str) -> Backend:
    """Return the backend of a store that exists.

    Raises:
        MissingInputError: There is nothing at the address.
        StoreMismatchError: What is there is no store.
    """
    backend = backend_at(address)
    kinds: dict[str, Callable[[LocalObjects], Backend]] = {"zarr": ZarrBackend, "hdf5": _hdf5}
    if is_store(backend):
        return backend
    if isinstance(backend.objects, LocalObjects):
        for name, document in _ROOT_DOCUMENTS.items():
            if backend.objects.size(document) is not None:
                return kinds[name](backend.objects)
        if backend.objects.folder.exists():
            raise not_a_store(address, "a folder or file without a store's description")
    raise MissingInputError(
        address,
        expected="a store",
        got="nothing",
        remedy="Write one with `tokser extract --store`, or correct the path.",
    )


def _refuse_lost_slash(address: str) -> None:
    """Refuse `s3:/bucket/x`, which is what `Path` makes of a URL."""
    scheme, found, rest = address.partition(":/")
    if found and scheme.lower() in ("s3", "s3a", "gs", "az", "abfs", "http", "https", "hf"):
        raise SettingsError(
            address,
            expected=f"a URL with two slashes, {scheme}://{rest}",
            got="one slash, as in a URL that was made a Path",
            remedy="Give the URL as text.",
        )


def is_store(backend: Backend) -> bool:
    """Tell whether a backend's root document is there."""
    return backend.objects.size(_ROOT_DOCUMENTS[backend.name]) is not None


def _hdf5(objects: LocalObjects) -> Backend:
    from tokser.store.hdf5_backend import HDF5Backend  # h5py takes long to import

    return HDF5Backend(objects)
