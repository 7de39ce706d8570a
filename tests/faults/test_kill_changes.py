"""A process that dies while a store is changed leaves the old, the new, or what it finishes."""

import shutil
import signal
from pathlib import Path

import pytest

from tests.conftest import StoreFactory
from tokser.errors import StoreIncompleteError
from tokser.store import (
    drop_from_store,
    open_store,
    remove_from_store,
    update_store,
    verify_store,
)

from .conftest import FULL
from .runs import child, die_within_write, wait

WRITES = range(1, 60) if FULL else (1, 4, 9)
GONE = ["utt001", "utt004"]


def update(path: str) -> None:
    table = StoreFactory(Path(path).parent).manifest(8).assign(label="joy", transcript="corrected")
    update_store(path, table.to_csv(lineterminator="\n"))


def remove(path: str) -> None:
    if "utt001" in whoever_is_there(path):
        remove_from_store(path, ids=GONE)


def whoever_is_there(path: str) -> list[str]:
    try:
        return open_store(path).ids
    except StoreIncompleteError:
        return GONE


def drop(path: str) -> None:
    if "whisper-tiny/layer-1" in open_store(path):
        drop_from_store(path, "whisper-tiny/layer-1")


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
@pytest.mark.parametrize("change", [update, remove, drop])
def test_a_kill_within_a_write_is_finished_by_a_rerun(tmp_path, suffix, change):
    stores = StoreFactory(tmp_path, suffix)
    table = stores.manifest(8)
    plan = stores.plan(table, features={"layer-1": 3, "layer-2": 3}, shard_bytes=1_500)
    stores.complete(table, plan)
    start, wanted = (stores.path.with_name(f"{name}{suffix}") for name in ("start", "wanted"))
    shutil.copytree(stores.path, start)
    shutil.copytree(stores.path, wanted)
    change(str(wanted))
    for number in WRITES:
        shutil.rmtree(stores.path)
        shutil.copytree(start, stores.path)
        code = wait(child(lambda n=number: die_within_write(n, lambda: change(str(stores.path)))))
        assert code in (0, -signal.SIGKILL)
        try:
            assert verify_store(open_store(stores.path)).damages == []
        except StoreIncompleteError as error:
            assert "a removal of utterances was stopped" in str(error)
        change(str(stores.path))
        assert files(stores.path) == files(wanted)
        store, right = open_store(stores.path), open_store(wanted)
        assert store.utterances.equals(right.utterances)
        assert verify_store(store).is_whole
        if code == 0:
            break


def files(path: Path) -> set[str]:
    """Names of the files; half of a write is cleared away by the next at its place."""
    found = {p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()}
    return {name for name in found if not name.endswith(".partial")}
