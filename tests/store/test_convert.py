"""A copy in any format and packing is the same store, and a broken one is not passed on."""

import dataclasses

import h5py
import numpy as np
import pandas as pd
import pytest

from tokser.errors import (
    CorruptStoreError,
    SettingsError,
    StoreIncompleteError,
    StoreMismatchError,
)
from tokser.store import (
    FeatureSpec,
    GroupPlan,
    GroupWriter,
    Recording,
    convert,
    open_store,
    verify_store,
)
from tokser.store.convert import convert_store, num_bytes_to_convert

TARGETS = {
    (".zarr", "none"): (".h5", "gzip"),
    (".zarr", "zstd"): (".h5", "none"),
    (".zarr", "blosc"): (".zarr", "none"),
    (".h5", "none"): (".zarr", "zstd"),
    (".h5", "gzip"): (".zarr", "blosc"),
}
"""Every format as source and as target."""

SPEECH = "whisper-tiny/layer-2"
QUARANTINED = "utt001"


@pytest.fixture
def target(stores, tmp_path):
    """Address and compression of a copy."""
    suffix, compression = TARGETS[stores.suffix, stores.compression]
    return str(tmp_path / f"copy{suffix}"), compression


@pytest.fixture
def source(stores):
    return write_everything(stores)


def write_everything(stores):
    """A store with quarantine, fingerprints, token ids, a lookup and functionals."""
    table = stores.manifest()
    speech = speech_plan(stores, table)
    text = text_plan(stores, len(table))
    pooled = pooled_plan(table)
    with stores.writer(table) as writer:
        group = writer.plan_group(speech)
        for shard, names in group.pending().items():
            commit(stores, group, speech, shard, names, table)
        group = writer.plan_group(text)
        stores_ids = {i: np.arange(i, i + 3, dtype=np.int32) for i in range(len(table))}
        keys = np.arange(len(table) + 3, dtype=np.int32)
        words = np.random.default_rng(1).normal(size=(len(keys), 4)).astype(np.float16)
        group.put_lookup("word", ids="token_ids", keys=keys, table=words)
        for shard in group.pending():
            span = range(*group.layout.shard_utterances(shard))
            group.commit(shard, {"token_ids": [stores_ids[i] for i in span]}, {})
        group = writer.plan_group(pooled)
        for shard in group.pending():
            span = range(*group.layout.shard_utterances(shard))
            rows = [np.full((1, 16), i, dtype=np.float32) for i in span]
            group.commit(shard, {"layer-2": rows}, {})
    return open_store(stores.path)


def commit(stores, group, plan, shard, names, table):
    span = range(*group.layout.shard_utterances(shard))
    ids = [table.index[i] for i in span]
    rows = {
        name: [
            None if id_ == QUARANTINED else stores.rows(plan, name, i)
            for i, id_ in zip(span, ids, strict=True)
        ]
        for name in names
    }
    reasons = {id_: "its file is cut short" for id_ in ids if id_ == QUARANTINED}
    group.commit(shard, rows, reasons, [Recording(f"{i:016x}", i) for i in span])


def speech_plan(stores, table):
    plan = stores.plan(table, features={"layer-1": 8, "layer-2": 8}, revision="abc")
    return plan.model_copy(update={"cut": (64, 16)})


def text_plan(stores, number):
    specs = {"token_ids": FeatureSpec(dim=None, dtype="int32", compression=stores.compression)}
    lengths = np.full(number, 3)
    return GroupPlan(
        name="bert",
        kind="text",
        features=specs,
        lengths=lengths,
        provenance={"model": "bert"},
        cut=(9, 3),
    )


def pooled_plan(table):
    specs = {"layer-2": FeatureSpec(dim=16, dtype="float32")}
    lengths = np.ones(len(table), dtype=np.int64)
    return GroupPlan(
        name="functionals/whisper-tiny",
        kind="functionals",
        features=specs,
        lengths=lengths,
        provenance={"moments": ["mean", "population std"]},
    )


def test_a_copy_holds_everything(source, target):
    address, compression = target
    copy = convert_store(str(source.path), address, compression=compression)
    assert verify_store(copy).is_whole
    assert not verify_store(copy).missing
    assert copy.manifest_text == source.manifest_text
    assert (copy.features, copy.groups) == (source.features, source.groups)
    assert copy.quarantined == source.quarantined == {QUARANTINED: "its file is cut short"}
    for name in (*source.features, *source.arrays):
        old, new = source[name], copy[name]
        assert (new.identity, new.provenance, new.dtype) == (
            old.identity,
            old.provenance,
            old.dtype,
        )
        for id_ in old.ids:
            np.testing.assert_array_equal(new[id_], old[id_])
    pd.testing.assert_frame_equal(copy[SPEECH].functionals(), source[SPEECH].functionals())


def test_journals_say_the_same_of_the_copy(source, target):
    address, compression = target
    copy = convert_store(str(source.path), address, compression=compression)
    for name in source.arrays:
        for old, new in zip(source[name].entries, copy[name].entries, strict=True):
            file = {"num_bytes": old.num_bytes, "file_digest": old.file_digest}
            assert dataclasses.replace(new, **file) == old


def test_rows_are_packed_as_asked_and_functionals_never(source, target):
    address, compression = target
    copy = convert_store(str(source.path), address, compression=compression)
    assert copy[SPEECH].compression == compression
    assert copy[f"functionals/{SPEECH}"].compression == "none"


def test_what_wrote_the_source_finds_everything_in_the_copy(source, stores, target):
    address, compression = target
    convert_store(str(source.path), address, compression=compression)
    table = stores.manifest()
    with stores.writer(table, name=address) as writer:
        for plan in (speech_plan(stores, table), text_plan(stores, len(table)), pooled_plan(table)):
            packed = {
                name: spec.model_copy(update={"compression": "none"})
                for name, spec in plan.features.items()
            }
            assert writer.plan_group(plan.model_copy(update={"features": packed})).pending() == {}


def test_a_stopped_conversion_goes_on(source, target):
    address, compression = target

    def stop(count):
        if count and all(open_store(address)[SPEECH].entries[:1]):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert_store(str(source.path), address, compression=compression, on_bytes=stop)
    done = [entry is not None for entry in open_store(address)[SPEECH].entries]
    assert any(done)
    assert not all(done)
    before = open_store(address)[SPEECH].entries[0]
    copy = convert_store(str(source.path), address, compression=compression)
    assert verify_store(copy).is_whole
    assert copy[SPEECH].is_complete
    assert copy[SPEECH].entries[0] == before


def test_a_finished_conversion_writes_nothing(source, target, monkeypatch):
    address, compression = target
    convert_store(str(source.path), address, compression=compression)
    monkeypatch.setattr(GroupWriter, "commit", None)
    seen = []
    convert_store(str(source.path), address, compression=compression, on_bytes=seen.append)
    assert sum(seen) == num_bytes_to_convert(source)


def test_every_byte_is_counted_once(source, target):
    seen = []
    convert_store(str(source.path), target[0], compression=target[1], on_bytes=seen.append)
    assert sum(seen) == num_bytes_to_convert(source)


def test_a_feature_takes_along_what_belongs_to_it(source, tmp_path):
    copy = convert_store(str(source.path), str(tmp_path / "c.zarr"), features=[SPEECH])
    assert copy.arrays == [SPEECH, f"functionals/{SPEECH}"]
    copy = convert_store(str(source.path), str(tmp_path / "c.zarr"), features=["bert/word"])
    assert copy.features == [SPEECH, "bert/word"]
    np.testing.assert_array_equal(copy["bert/word"]["utt003"], source["bert/word"]["utt003"])


def test_a_damaged_utterance_is_named_and_not_passed_on(source, shard_file, tmp_path):
    _flip_a_bit_of_the_rows(shard_file(shard=1), source)
    assert verify_store(source).damages[0].utterances
    with pytest.raises(CorruptStoreError, match=r"layer-2, utt\d+: expected"):
        convert_store(str(source.path), str(tmp_path / "copy.zarr"))
    copy = open_store(tmp_path / "copy.zarr")
    assert copy[SPEECH].entries[1] is None
    assert verify_store(copy).is_whole


def _flip_a_bit_of_the_rows(file, store):
    layer = store[SPEECH]
    raw = store.backend.raw_shard(SPEECH, 1, layer.spec, layer.layout)
    first = raw.offset if raw else 0
    if not raw and file.suffix == ".h5":
        with h5py.File(file) as content:
            first = content["rows"].id.get_chunk_info(0).byte_offset
    content = bytearray(file.read_bytes())
    content[first + 20] ^= 4
    file.write_bytes(content)


def test_a_shard_that_is_gone_is_refused(source, shard_file, tmp_path):
    shard_file(shard=1).unlink()
    with pytest.raises(
        CorruptStoreError, match=r"layer-2, shard 1: expected \d+ bytes, got no file"
    ):
        convert_store(str(source.path), str(tmp_path / "copy.zarr"))


def test_a_damaged_manifest_is_refused_before_a_write(source, stores, tmp_path):
    name = "manifest/c/0" if stores.suffix == ".zarr" else "utterances.h5"
    content = bytearray((stores.path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (stores.path / name).write_bytes(content)
    with pytest.raises(CorruptStoreError, match=f"others, or none, of {name}"):
        convert_store(str(source.path), str(tmp_path / "copy.zarr"))
    assert not (tmp_path / "copy.zarr").exists()


def test_an_unfinished_source_is_refused(source, entry_file, tmp_path):
    entry_file(shard=0).unlink()
    with pytest.raises(StoreIncompleteError, match="missing: 0"):
        convert_store(str(source.path), str(tmp_path / "copy.zarr"))
    assert not (tmp_path / "copy.zarr").exists()


def test_rows_that_change_while_copied_are_invalidated(source, tmp_path, monkeypatch):
    read = convert.read_shard

    def read_badly(layer, shard):
        for place, rows in enumerate(read(layer, shard)):
            yield rows + 1 if layer.name == SPEECH and place == 0 else rows

    monkeypatch.setattr(convert, "read_shard", read_badly)
    with pytest.raises(CorruptStoreError, match="others of utt000"):
        convert_store(str(source.path), str(tmp_path / "copy.zarr"))
    assert open_store(tmp_path / "copy.zarr")[SPEECH].entries[0] is None


@pytest.mark.parametrize("stores", ["zarr"], indirect=True)
class TestOneFormat:
    """What does not depend on the source's format."""

    @pytest.mark.parametrize(
        "place", ["toy.zarr", "toy.zarr/", "x/../toy.zarr", "toy.zarr/bert", "."]
    )
    def test_a_target_within_the_source_is_refused(self, source, tmp_path, place):
        with pytest.raises(SettingsError, match="another place than the source"):
            convert_store(str(source.path), f"{tmp_path}/{place}")

    def test_a_compression_of_another_format_is_refused(self, source, tmp_path):
        with pytest.raises(SettingsError, match="out of none, gzip, got zstd"):
            convert_store(str(source.path), str(tmp_path / "copy.h5"), compression="zstd")
        assert not (tmp_path / "copy.h5").exists()

    def test_an_unknown_feature_lists_those_there_are(self, source, tmp_path):
        with pytest.raises(SettingsError, match="bert/word, got wavlm/layer-9"):
            convert_store(str(source.path), str(tmp_path / "copy.zarr"), features=["wavlm/layer-9"])

    def test_another_packing_is_refused(self, source, tmp_path):
        convert_store(str(source.path), str(tmp_path / "copy.zarr"), compression="zstd")
        with pytest.raises(StoreMismatchError, match="compression zstd as in the store, got none"):
            convert_store(str(source.path), str(tmp_path / "copy.zarr"))

    def test_a_target_of_another_corpus_is_refused(self, source, stores, tmp_path):
        stores.complete(stores.manifest(5), name="other.zarr")
        with pytest.raises(StoreMismatchError, match="manifest_digest"):
            convert_store(str(source.path), str(tmp_path / "other.zarr"))

    def test_a_target_of_another_model_is_refused(self, source, stores, tmp_path):
        table = stores.manifest()
        plan = stores.plan(table, revision="def")
        stores.complete(table, plan, name="other.zarr")
        with pytest.raises(StoreMismatchError, match=r"revision def as in the store.*got.*abc"):
            convert_store(str(source.path), str(tmp_path / "other.zarr"))

    def test_a_target_with_other_rows_is_refused_and_kept(self, source, stores, tmp_path):
        table = stores.manifest()
        plan = speech_plan(stores, table)
        other = stores.complete(table, plan, name="other.zarr")
        with pytest.raises(StoreMismatchError, match=f"other rows of {QUARANTINED}"):
            convert_store(str(source.path), str(tmp_path / "other.zarr"))
        assert open_store(other.path)[SPEECH].is_complete

    def test_a_folder_of_other_things_is_refused(self, source, tmp_path):
        (tmp_path / "copy.zarr").mkdir()
        (tmp_path / "copy.zarr" / "thesis.tex").write_text("")
        with pytest.raises(StoreMismatchError, match="holds something else"):
            convert_store(str(source.path), str(tmp_path / "copy.zarr"))


@pytest.mark.slow
@pytest.mark.parametrize("stores", ["zarr", "hdf5"], indirect=True)
def test_a_store_goes_to_a_bucket_and_back(source, s3_bucket, tmp_path):
    address = f"{s3_bucket}/copy.zarr"
    convert_store(str(source.path), address, compression="zstd")
    back = convert_store(address, str(tmp_path / "back.zarr"))
    assert verify_store(back).is_whole
    assert (back.arrays, back.quarantined) == (source.arrays, source.quarantined)
    for name in back[SPEECH].ids:
        np.testing.assert_array_equal(back[SPEECH][name], source[SPEECH][name])
