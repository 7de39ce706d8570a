"""A file of a store that is gone, or no file at all: a sentence, never zeros, never for ever."""

import os
from pathlib import Path

import numpy as np
import pytest

from tokser.errors import TokserError
from tokser.store import open_store, verify_store

pytestmark = pytest.mark.parametrize("stores", ["zarr", "hdf5"], indirect=True)


@pytest.fixture
def path(filled) -> Path:
    return Path(filled().path)


def table_file(path: Path) -> Path:
    word = path / "bert" / "word"
    return word / "table/c/0/0" if path.suffix == ".zarr" else word / "table.h5"


@pytest.mark.parametrize("change", ["gone", "zeros"])
def test_a_lost_table_is_an_error_and_never_zeros(path, change):
    file = table_file(path)
    if change == "gone":
        file.unlink()
    else:
        content = file.read_bytes()
        file.write_bytes(content.replace(np.float16(54).tobytes() * 1, b"\0\0"))
    layer = open_store(path)["bert/word"]
    with pytest.raises(TokserError, match="bert/word"):
        layer[layer.ids[0]]


def test_a_token_without_a_row_in_the_table_is_an_error(stores, path):
    store = open_store(path)
    layer = store["bert/word"]
    with pytest.raises(TokserError, match=r"bert/word: expected a row for every integer, got none"):
        layer.look_up(np.array([0, 99], dtype=np.int32))


def no_folder(file: Path) -> None:
    file.mkdir()


def no_pipe(file: Path) -> None:
    os.mkfifo(file)


def no_device(file: Path) -> None:
    file.symlink_to("/dev/zero")


@pytest.mark.slow
@pytest.mark.parametrize("becomes", [no_folder, no_pipe, no_device])
def test_anything_in_place_of_a_file_is_a_clear_error(path, becomes):
    files = [p for p in sorted(path.rglob("*")) if p.is_file() and "layer-2" not in str(p)]
    seen = set()
    for file in files:
        kind = "".join(c for c in str(file.relative_to(path)) if not c.isdigit())
        if kind in seen:
            continue
        seen.add(kind)
        kept = file.read_bytes()
        file.unlink()
        becomes(file)
        with pytest.raises(TokserError, match="expected") as caught:
            read_all(path)
            raise AssertionError(file)
        assert "Traceback" not in str(caught.value)
        file.rmdir() if file.is_dir() else file.unlink()
        file.write_bytes(kept)
    assert len(seen) > 6
    read_all(path)


def read_all(path: Path) -> None:
    store = open_store(path)
    for name in store.arrays:
        for utterance in store.ids:
            store[name][utterance]
    store["bert/word"][store.ids[0]]
    assert store.utterances.shape[0] == 9
    found = verify_store(store)
    if not found.is_whole:
        raise TokserError(path, expected="a whole store", got=str(found.damages), remedy="None.")


def test_a_link_to_a_file_is_a_file(path):
    file = table_file(path)
    moved = path.parent / "elsewhere"
    file.rename(moved)
    file.symlink_to(moved)
    read_all(path)
