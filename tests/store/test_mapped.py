"""What a reader notices of files that change under it, and how many it holds open."""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from tokser.errors import CorruptStoreError
from tokser.store import mapped
from tokser.store.backend import RawShard

FEATURE = "whisper-tiny/layer-2"


@pytest.fixture
def read(stores):
    """A layer whose first shard is mapped, where it can be."""
    layer = stores.sealed()[FEATURE]
    layer["utt000"]
    return layer


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: os.truncate(file, 10)])
def test_a_shard_lost_while_it_is_read_is_an_error(read, shard_file, damage):
    damage(shard_file())
    with pytest.raises(CorruptStoreError, match="shard 0: expected"):
        read["utt000"]


def test_a_shard_that_was_put_back_is_read_anew(read, shard_file):
    expected = np.array(read["utt000"])
    held = read["utt000"]
    copy = shard_file().with_suffix(".copy")
    shutil.copy(shard_file(), copy)
    shard_file().unlink()
    copy.replace(shard_file())
    np.testing.assert_array_equal(read["utt000"], expected)
    np.testing.assert_array_equal(held, expected)


@pytest.mark.skipif(sys.platform != "linux", reason="counts the descriptors in /proc")
def test_descriptors_are_few_and_given_back(tmp_path, monkeypatch):
    monkeypatch.setattr(mapped, "_most_maps", lambda: 4)
    before = _descriptors()
    maps = mapped.MappedShards()
    for shard in range(20):
        file = tmp_path / str(shard)
        np.full((3, 2), shard, dtype=np.float16).tofile(file)
        maps.keep(shard, mapped.map_shard(RawShard(file, 0), (3, 2), "float16"))
    assert sorted(maps) == [16, 17, 18, 19]
    assert (maps[17].rows == 17).all()
    assert _descriptors() - before <= 2 * 4
    maps.clear()
    assert _descriptors() <= before


def test_a_file_too_short_for_its_rows_leaves_no_descriptor(tmp_path):
    (tmp_path / "short").write_bytes(b"abc")
    with pytest.raises(ValueError, match="buffer is smaller"):
        mapped.map_shard(RawShard(tmp_path / "short", 0), (3, 2), "float16")


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
