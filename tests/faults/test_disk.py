"""Disks that are full, read only, or lose files."""

import errno
import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest

from tokser.errors import CorruptStoreError, RunError
from tokser.store import open_store, verify_store
from tokser.store.objects import LocalObjects

from .runs import child, wait


def planned(stores, table):
    return stores.plan(table, features={"layer-2": 16}, shard_bytes=4_000)


def fill_some(stores, table, plan, shards):
    with stores.writer(table) as writer:
        stores.fill(writer.plan_group(plan), plan, only_shards=shards)


def assert_intact(stores, plan, table, shards):
    """What was committed before is there; the rest can still be written."""
    store = open_store(stores.path)
    layer = store["whisper-tiny/layer-2"]
    assert [i for i, entry in enumerate(layer.entries) if entry] == sorted(shards)
    assert not verify_store(store).damages
    fill_some(stores, table, plan, None)
    store = open_store(stores.path)
    for position, utterance in enumerate(table.index):
        found = store["whisper-tiny/layer-2"][utterance]
        np.testing.assert_array_equal(found, stores.rows(plan, "layer-2", position))
    assert verify_store(store).is_whole
    assert not list(stores.path.rglob("*.partial"))


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_a_limit_on_file_size_in_the_middle_of_a_shard(stores, suffix, tmp_path):
    stores.suffix = suffix
    table = stores.manifest(40)
    plan = planned(stores, table)
    fill_some(stores, table, plan, {0})
    message = tmp_path / "message.txt"

    def write_with_a_limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))
        try:
            fill_some(stores, table, plan, {1})
        except RunError as error:
            message.write_text(str(error))

    assert wait(child(write_with_a_limit)) == 0
    assert "What was committed before is intact" in message.read_text()
    assert "ulimit -f" in message.read_text()
    assert_intact(stores, plan, table, {0})


def test_a_full_disk(stores, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk is not permitted here")
    try:
        stores.folder = disk
        table = stores.manifest(200)
        plan = planned(stores, table)
        with pytest.raises(RunError, match=r"No space left.*Free space.*before is intact"):
            fill_some(stores, table, plan, None)
        done = {
            i
            for i, entry in enumerate(open_store(stores.path)["whisper-tiny/layer-2"].entries)
            if entry
        }
        assert done
        subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
        assert_intact(stores, plan, table, done)
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.mark.parametrize("fault", [errno.EROFS, errno.EACCES, errno.ENOSPC])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_disk_that_refuses(stores, monkeypatch, fault, after):
    table = stores.manifest(40)
    plan = planned(stores, table)
    fill_some(stores, table, plan, {0})
    plain, calls = os.fsync, []

    def refuse(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > after:
            raise OSError(fault, os.strerror(fault))
        plain(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuse)
        with pytest.raises(RunError, match=os.strerror(fault)):
            fill_some(stores, table, plan, {1})
    shards = {i for i, e in enumerate(open_store(stores.path)["whisper-tiny/layer-2"].entries) if e}
    assert 0 in shards
    assert_intact(stores, plan, table, shards)


def test_a_file_is_there_only_when_it_is_on_the_disk(stores, monkeypatch, tmp_path):
    order = []
    plain_fsync, plain_replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda d: (order.append("fsync"), plain_fsync(d))[1])
    monkeypatch.setattr(
        "pathlib.Path.replace",
        lambda self, other: (order.append("rename"), plain_replace(self, other))[1],
    )
    LocalObjects(tmp_path).put("a", [b"some", b"thing"])
    assert (tmp_path / "a").read_bytes() == b"something"
    assert order[:2] == ["fsync", "rename"]
    assert "fsync" in order[2:]  # of the folder


def test_a_shard_is_on_the_disk_before_its_entry(stores, monkeypatch):
    table = stores.manifest(40)
    plan = planned(stores, table)
    fill_some(stores, table, plan, {0})
    keys = []
    plain = LocalObjects.put
    monkeypatch.setattr(
        LocalObjects, "put", lambda self, key, parts: (keys.append(key), plain(self, key, parts))[1]
    )
    fill_some(stores, table, plan, {1})
    rows, entry = keys[-2:]
    assert rows.startswith("whisper-tiny/layer-2/rows/")
    assert entry.startswith("whisper-tiny/layer-2/journal/")


def test_a_shard_cut_while_mapped_is_an_error_not_a_crash(stores, tmp_path):
    table = stores.manifest(40)
    plan = planned(stores, table)
    fill_some(stores, table, plan, None)
    file = stores.path / "whisper-tiny" / "layer-2" / "rows" / "c" / "0" / "0"

    def read_cut() -> None:
        layer = open_store(stores.path)["whisper-tiny/layer-2"]
        layer["utt000"].copy()
        os.truncate(file, 10)
        try:
            layer["utt000"].copy()
        except CorruptStoreError as error:
            assert "shard 0: expected" in str(error)
            return
        sys.exit(1)

    assert wait(child(read_cut)) == 0
