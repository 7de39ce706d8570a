import numpy as np
import pytest

from tokser.config import PoolSettings
from tokser.errors import SettingsError
from tokser.stages.convert import convert
from tokser.stages.pool import pool
from tokser.stages.verify import verify
from tokser.store import GroupWriter, open_store

FEATURE = "whisper-tiny/layer-2"


def test_a_copy_is_whole_and_says_what_it_took(stores, tmp_path):
    source = stores.complete()
    done = convert(str(source.path), str(tmp_path / "copy.h5"), compression="gzip")
    assert (done.store, done.features) == (str(tmp_path / "copy.h5"), (FEATURE,))
    assert done.num_bytes == source[FEATURE].layout.num_rows * 16
    assert done.quarantined == {}
    assert verify(done.store).is_whole


def test_pool_has_nothing_to_do_in_a_copy_of_a_pooled_store(stores, tmp_path, monkeypatch):
    source = stores.complete()
    pool(PoolSettings(store=str(source.path)))
    convert(str(source.path), str(tmp_path / "copy.zarr"), compression="zstd")
    monkeypatch.setattr(GroupWriter, "commit", None)
    assert pool(PoolSettings(store=str(tmp_path / "copy.zarr"))) == [FEATURE]


def test_a_copy_of_a_copy_is_the_original(stores, tmp_path):
    source = stores.complete()
    convert(str(source.path), str(tmp_path / "a.h5"))
    convert(str(tmp_path / "a.h5"), str(tmp_path / "b.zarr"))
    there, back = open_store(source.path)[FEATURE], open_store(tmp_path / "b.zarr")[FEATURE]
    assert back.entries == there.entries
    np.testing.assert_array_equal(back.ragged(back.ids).rows, there.ragged(there.ids).rows)


def test_an_unknown_feature_leaves_nothing_behind(stores, tmp_path):
    source = stores.complete()
    with pytest.raises(SettingsError, match="got nonsense"):
        convert(str(source.path), str(tmp_path / "copy.zarr"), features=["nonsense"])
    assert not (tmp_path / "copy.zarr").exists()
