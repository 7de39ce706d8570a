import errno
import random

import numpy as np
import pytest

from tokser.errors import CorruptStoreError
from tokser.store import open_store, verify_store
from tokser.store.journal import parse_entry


def flip(file, position, bit=3):
    data = bytearray(file.read_bytes())
    data[position] ^= 1 << bit
    file.write_bytes(data)


def test_a_whole_store_is_whole(stores, shard_file):
    store = stores.complete()
    counted = []
    found = verify_store(store, counted.append)
    assert found.is_whole
    assert not found.missing
    assert sum(counted) == found.num_bytes == shard_file().stat().st_size


@pytest.mark.parametrize("seed", range(5))
def test_changed_rows_name_the_utterance(stores, shard_file, seed):
    if stores.compression != "none":
        pytest.skip("one bit of a packed chunk may change any of its rows")
    table = stores.manifest()
    plan = stores.plan(table)
    store = stores.complete(table, plan)
    rng = random.Random(seed)
    position = rng.randrange(len(table))
    layer = store["whisper-tiny/layer-2"]
    raw = store.backend.raw_shard(layer.name, 0, layer.spec, layer.layout)
    row = int(layer.layout.row_starts[position]) + rng.randrange(int(plan.lengths[position]))
    flip(shard_file(), raw.offset + row * 16 + rng.randrange(16), rng.randrange(8))
    found = verify_store(open_store(store.path))
    (damage,) = found.damages
    assert (damage.what, damage.shard) == ("whisper-tiny/layer-2", 0)
    assert damage.utterances == (table.index[position],)


def test_changed_packed_rows_are_noticed(stores, shard_file):
    store = stores.complete()
    flip(shard_file(), shard_file().stat().st_size // 2)
    (damage,) = verify_store(open_store(store.path)).damages
    assert damage.shard == 0


def test_a_flipped_bit_in_the_shard_index_is_noticed(stores, shard_file):
    store = stores.complete()
    flip(shard_file(), shard_file().stat().st_size - 12, 2)
    (damage,) = verify_store(open_store(store.path)).damages
    assert damage.shard == 0


@pytest.mark.parametrize("damage", ["delete", "truncate"])
def test_a_shard_deleted_or_cut_short_names_all_its_utterances(stores, shard_file, damage):
    store = stores.complete()
    if damage == "delete":
        shard_file().unlink()
    else:
        shard_file().write_bytes(shard_file().read_bytes()[:-1])
    (found,) = verify_store(open_store(store.path)).damages
    assert list(found.utterances) == list(store.utterances.index)
    assert "the journal says" in found.reason


def test_two_shards_that_changed_places_are_both_named(stores, shard_file):
    table = stores.manifest(20)
    plan = stores.plan(table, shard_bytes=1_000)
    store = stores.complete(table, plan)
    if stores.compression != "none":
        pytest.skip("packed shards differ in size, which is noticed sooner")
    first, second = 0, 2
    assert shard_file(shard=first).stat().st_size == shard_file(shard=second).stat().st_size
    one, other = shard_file(shard=first), shard_file(shard=second)
    contents = one.read_bytes(), other.read_bytes()
    one.write_bytes(contents[1])
    other.write_bytes(contents[0])
    found = verify_store(open_store(store.path))
    assert [damage.shard for damage in found.damages] == [first, second]
    assert all(damage.utterances for damage in found.damages)


def test_a_damaged_journal_is_named(stores, entry_file):
    store = stores.complete()
    flip(entry_file(), entry_file().stat().st_size // 2)
    (damage,) = verify_store(open_store(store.path)).damages
    assert (damage.what, damage.shard) == ("whisper-tiny/layer-2", 0)
    assert list(damage.utterances) == store.ids


def test_the_journal_of_another_run_is_refused(stores, entry_file):
    table = stores.manifest()
    stores.complete(table, stores.plan(table, weights_sha256="aaa"))
    foreign = entry_file().read_bytes()
    other = type(stores)(stores.folder / "other", stores.suffix, stores.compression)
    store = other.complete(table, other.plan(table, weights_sha256="bbb"))
    here = other.path / entry_file().relative_to(stores.path)
    here.write_bytes(foreign)
    with pytest.raises(CorruptStoreError, match="has identity"):
        open_store(store.path)["whisper-tiny/layer-2"]["utt000"]
    (damage,) = verify_store(open_store(store.path)).damages
    assert "has identity" in damage.reason


def test_a_damaged_layout_is_named(stores):
    store = stores.complete()
    group = stores.path / "whisper-tiny"
    zarr = stores.suffix == ".zarr"
    flip(group / ("row_starts/c/0" if zarr else "layout.h5"), -3, 4)
    assert not verify_store(open_store(store.path)).is_whole


def test_a_damaged_manifest_is_named(stores):
    store = stores.complete()
    file = stores.path / ("manifest/c/0" if stores.suffix == ".zarr" else "utterances.h5")
    data = file.read_bytes()
    file.write_bytes(data.replace(b"Satz Nummer 3", b"Satz Nummer 2", 1))
    assert file.read_bytes() != data
    (damage, *_) = verify_store(open_store(store.path)).damages
    assert damage.what in ("manifest/c/0", "utterances.h5")


def test_shards_to_come_are_missing_not_damaged(stores):
    table = stores.manifest(20)
    plan = stores.plan(table, shard_bytes=1_000)
    with stores.writer(table) as writer:
        stores.fill(writer.plan_group(plan), plan, only_shards={0})
    found = verify_store(open_store(stores.path))
    assert found.is_whole
    assert 0 not in found.missing["whisper-tiny/layer-2"]


def test_the_journal_holds_the_digest_of_the_file(stores, shard_file, entry_file):
    import xxhash

    store = stores.complete()
    layer = store["whisper-tiny/layer-2"]
    text = store.backend.read_entry(layer.name, 0)
    entry = parse_entry(text, shard=0, identity=layer.identity, where="")
    assert entry.file_digest == xxhash.xxh3_64_hexdigest(shard_file().read_bytes())
    assert entry.num_bytes == shard_file().stat().st_size


def test_reading_with_checks_refuses_rows_that_changed(stores, shard_file):
    store = stores.complete()
    flip(shard_file(), shard_file().stat().st_size // 3)
    checked = open_store(store.path, check=True)["whisper-tiny/layer-2"]
    refused = 0
    for utterance in checked.ids:
        try:
            good = open_store(store.path)["whisper-tiny/layer-2"]
            np.testing.assert_array_equal(checked[utterance], good[utterance])
        except CorruptStoreError:
            refused += 1
    assert refused


def test_an_unreadable_shard_is_damage_and_the_rest_is_verified(stores, monkeypatch):
    store = stores.complete()
    real = type(store.backend.objects).get_range

    def fail(self, key, first, after):
        if "whisper-tiny/layer-2/rows" in key:
            raise OSError(errno.EIO, "Input/output error", key)
        return real(self, key, first, after)

    monkeypatch.setattr(type(store.backend.objects), "get_range", fail)
    (damage,) = verify_store(store).damages
    assert damage.utterances == tuple(store.ids)
    assert damage.reason == "its file cannot be read (Input/output error)"
