import random

import pytest

from tokser.store import open_store, verify_store


def shard_file(stores, feature="layer-2"):
    return stores.folder / "toy.zarr" / "whisper-tiny" / feature / "rows" / "c" / "0" / "0"


def test_a_whole_store_is_whole(stores):
    store = stores.sealed()
    counted = []
    found = verify_store(store, counted.append)
    assert found.is_whole
    assert not found.missing
    assert sum(counted) == len(store.utterances)
    assert found.num_bytes == store["whisper-tiny/layer-2"].num_rows * 8 * 2


@pytest.mark.parametrize("seed", range(20))
def test_a_flipped_bit_names_the_utterance(stores, seed):
    table = stores.manifest()
    plan = stores.plan(table)
    store = stores.sealed(table, plan)
    rng = random.Random(seed)
    position = rng.randrange(len(table))
    layout = store["whisper-tiny/layer-2"].layout
    row = int(layout.row_starts[position]) + rng.randrange(int(plan.lengths[position]))
    data = bytearray(shard_file(stores).read_bytes())
    data[row * 16 + rng.randrange(16)] ^= 1 << rng.randrange(8)
    shard_file(stores).write_bytes(data)
    found = verify_store(open_store(store.path))
    assert [damage.what for damage in found.damages] == [table.index[position]]


def test_a_flipped_bit_in_the_shard_index_is_noticed(stores):
    store = stores.sealed()
    data = bytearray(shard_file(stores).read_bytes())
    data[-12] ^= 4
    shard_file(stores).write_bytes(data)
    assert not verify_store(open_store(store.path)).is_whole


def test_a_deleted_shard_names_all_its_utterances(stores):
    store = stores.sealed()
    shard_file(stores).unlink()
    found = verify_store(open_store(store.path))
    assert [damage.what for damage in found.damages] == list(store.utterances.index)


def test_a_damaged_journal_is_named(stores):
    store = stores.sealed()
    file = stores.folder / "toy.zarr" / "whisper-tiny" / "layer-2" / "journal" / "c" / "0"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    found = verify_store(open_store(store.path))
    assert [damage.what for damage in found.damages] == ["journal or layout"]


def test_a_damaged_layout_is_named(stores):
    store = stores.sealed()
    (file,) = (stores.folder / "toy.zarr" / "whisper-tiny" / "row_starts" / "c").iterdir()
    data = bytearray(file.read_bytes())
    data[-3] ^= 16
    file.write_bytes(data)
    assert not verify_store(open_store(store.path)).is_whole


def test_shards_to_come_are_missing_not_damaged(stores):
    table = stores.manifest(20)
    plan = stores.plan(table, shard_bytes=1_000)
    with stores.writer(table) as writer:
        stores.fill(writer.plan_group(plan), plan, only_shards={0})
    found = verify_store(open_store(stores.folder / "toy.zarr"))
    assert found.is_whole
    assert 0 not in found.missing["whisper-tiny/layer-2"]
