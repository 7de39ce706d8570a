"""Readers in threads and worker processes see what the main process sees."""

import operator
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from torch.utils.data import DataLoader

from tokser.errors import QuarantinedError, StoreIncompleteError
from tokser.store import open_store

pytestmark = pytest.mark.slow

FEATURE = "whisper-tiny/layer-2"
FORMATS = {
    "zarr": (".zarr", "none"),
    "zarr-zstd": (".zarr", "zstd"),
    "hdf5": (".h5", "none"),
    "hdf5-gzip": (".h5", "gzip"),
}
NUM_SHARDS = 90
READ_WITH_FEW_FILES = """
import resource, sys
from tokser.store import open_store
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
layer = open_store(sys.argv[1])["whisper-tiny/layer-2"]
assert layer.layout.num_shards == int(sys.argv[2]) > 64
held = [layer[name] for name in layer.ids]
for place, name in enumerate(layer.ids):
    assert (layer[name] == place).all() and (held[place] == place).all(), name
"""


@pytest.fixture
def layers(tmp_path, stores):
    """The same feature in every format, after this process has read from each."""
    made = {}
    for name, (suffix, compression) in FORMATS.items():
        made[name] = type(stores)(tmp_path / name, suffix, compression).complete()[FEATURE]
        made[name]["utt000"]
    return made


@pytest.mark.parametrize("stores", ["zarr"], indirect=True)
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize(("method", "num_workers"), [("fork", 2), ("spawn", 1)])
def test_workers_of_a_data_loader_read_the_same(layers, method, num_workers):
    ids = layers["zarr"].ids
    loader = DataLoader(
        layers,
        sampler=[*layers, *layers],
        batch_size=None,
        num_workers=num_workers,
        multiprocessing_context=method,
        collate_fn=operator.methodcaller("ragged", ids),
    )
    expected = layers["zarr"].ragged(ids)
    found = list(loader)
    assert len(found) == 2 * len(FORMATS)
    for batch in found:
        np.testing.assert_array_equal(batch.rows, expected.rows)
        np.testing.assert_array_equal(batch.lengths, expected.lengths)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_layer_is_a_dataset_by_itself(stores):
    layer = stores.complete()[FEATURE]
    expected = {name: np.array(layer[name]) for name in layer.ids}
    loader = DataLoader(
        layer,
        sampler=layer.ids,
        batch_size=None,
        num_workers=1,
        multiprocessing_context="fork",
        collate_fn=np.array,
    )
    for name, rows in zip(layer.ids, loader, strict=True):
        np.testing.assert_array_equal(rows, expected[name])


def test_eight_threads_read_the_same(stores):
    expected = {name: np.array(rows) for name, rows in _rows(stores.complete()).items()}
    layer = open_store(stores.path)[FEATURE]
    names = [
        name for seed in range(8) for name in np.random.default_rng(seed).permutation(layer.ids)
    ]
    with ThreadPoolExecutor(8) as pool:
        for name, rows in zip(names, pool.map(layer.__getitem__, names), strict=True):
            np.testing.assert_array_equal(rows, expected[name])


def test_a_store_and_a_layer_survive_pickling(stores):
    store = stores.complete()
    again = pickle.loads(pickle.dumps(store))
    assert (again.path, again.features, again.check) == (store.path, store.features, False)
    assert pickle.loads(pickle.dumps(open_store(stores.path, check=True))).check
    layer = pickle.loads(pickle.dumps(store[FEATURE]))
    assert (layer.name, layer.identity) == (FEATURE, store[FEATURE].identity)
    np.testing.assert_array_equal(layer["utt004"], store[FEATURE]["utt004"])


@pytest.mark.parametrize("kind", [QuarantinedError, StoreIncompleteError])
def test_errors_survive_the_way_out_of_a_worker(kind):
    error = kind("here", expected="this", got="that", remedy="Do so.")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error) == "here: expected this, got that. Do so."


@pytest.mark.skipif(sys.platform == "win32", reason="no limit to set")
@pytest.mark.parametrize("stores", ["zarr", "hdf5"], indirect=True)
def test_more_shards_than_files_that_may_be_open(stores):
    table = stores.manifest(NUM_SHARDS)
    plan = stores.plan(table, lengths=np.full(NUM_SHARDS, 4))
    plan = plan.model_copy(update={"cut": (4, 4)})
    with stores.writer(table) as writer:
        group = writer.plan_group(plan)
        for shard in group.pending():
            rows = np.full((4, 8), shard, dtype=np.float16)
            group.commit(shard, {"layer-2": [rows]}, {})
    command = [sys.executable, "-c", READ_WITH_FEW_FILES, str(stores.path), str(NUM_SHARDS)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def _rows(store):
    return {name: store[FEATURE][name] for name in store[FEATURE].ids}
