"""One conformance suite: every test that takes `stores` runs on every format."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import StoreFactory
from tests.store.filling import fill
from tokser.store import open_store

FORMATS = {
    "zarr": (".zarr", "none"),
    "zarr-zstd": (".zarr", "zstd"),
    "zarr-blosc": (".zarr", "blosc"),
    "hdf5": (".h5", "none"),
    "hdf5-gzip": (".h5", "gzip"),
}


@pytest.fixture(params=FORMATS)
def stores(request, tmp_path: Path, stores):
    """Override the fixture of all tests by one for each format."""
    suffix, compression = FORMATS[request.param]
    return type(stores)(tmp_path, suffix, compression)


@pytest.fixture(scope="session")
def originals(tmp_path_factory):
    """Stores that have everything, by suffix."""
    made = {}
    for suffix in (".zarr", ".h5"):
        factory = StoreFactory(tmp_path_factory.mktemp("original"), suffix)
        fill(factory)
        made[suffix] = factory.path
    return made


@pytest.fixture
def filled(stores, originals):
    """Copies such a store, and opens the copy."""

    def copy():
        shutil.copytree(originals[stores.suffix], stores.path)
        return open_store(stores.path)

    return copy


@pytest.fixture
def shard_file(stores):
    """Path of a shard's file."""

    def find(feature: str = "layer-2", shard: int = 0) -> Path:
        folder = stores.path / "whisper-tiny" / feature / "rows"
        return folder / (f"c/{shard}/0" if stores.suffix == ".zarr" else f"{shard:05d}.h5")

    return find


@pytest.fixture
def entry_file(stores):
    """Path of a journal entry's file."""

    def find(feature: str = "layer-2", shard: int = 0) -> Path:
        folder = stores.path / "whisper-tiny" / feature / "journal"
        return folder / (f"c/{shard}" if stores.suffix == ".zarr" else f"{shard:05d}.txt")

    return find
