"""What is exported is what the store holds, as other programs read it."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tokser.errors import (
    CorruptStoreError,
    MissingPackageError,
    RunError,
    SettingsError,
    StoreIncompleteError,
)
from tokser.store import FeatureSpec, GroupPlan, open_store
from tokser.store.export import huggingface, npz, parquet
from tokser.store.export.folder import new_folder
from tokser.store.export.huggingface import write_dataset
from tokser.store.export.npz import write_npz
from tokser.store.export.parquet import write_parquet
from tokser.store.export.pieces import pieces, select_layers

SPEECH = "whisper-tiny/layer-2"
QUARANTINED = "utt003"
PIECE_BYTES = 1_500


@pytest.fixture
def store(stores, monkeypatch):
    """A store with an utterance in quarantine, a lookup and functionals, in several pieces."""
    monkeypatch.setattr(npz, "ARCHIVE_BYTES", PIECE_BYTES)
    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", PIECE_BYTES)
    monkeypatch.setattr(huggingface, "BATCH_BYTES", PIECE_BYTES)
    table = stores.manifest()
    plan = stores.plan(table).model_copy(update={"cut": (64, 16)})
    with stores.writer(table) as writer:
        group = writer.plan_group(plan)
        for shard in group.pending():
            span = range(*group.layout.shard_utterances(shard))
            rows = [None if i == 3 else stores.rows(plan, "layer-2", i) for i in span]
            reasons = {QUARANTINED: "cut short"} if 3 in span else {}
            group.commit(shard, {"layer-2": rows}, reasons)
        _write_text(writer, stores, len(table))
        _write_functionals(writer, len(table))
    return open_store(stores.path, check=True)


def _write_text(writer, stores, number):
    specs = {"token_ids": FeatureSpec(dim=None, dtype="int32", compression=stores.compression)}
    plan = GroupPlan(
        name="bert",
        kind="text",
        features=specs,
        lengths=np.full(number, 3),
        provenance={},
        cut=(9, 3),
    )
    group = writer.plan_group(plan)
    keys = np.arange(0, 2 * number, 2, dtype=np.int32)
    table = np.random.default_rng(1).normal(size=(number, 4)).astype(np.float16)
    group.put_lookup("word", ids="token_ids", keys=keys, table=table)
    for shard in group.pending():
        span = range(*group.layout.shard_utterances(shard))
        rows = [np.full(3, 2 * i, dtype=np.int32) for i in span]
        group.commit(shard, {"token_ids": rows}, {})


def _write_functionals(writer, number):
    plan = GroupPlan(
        name="functionals/whisper-tiny",
        kind="functionals",
        features={"layer-2": FeatureSpec(dim=16, dtype="float32")},
        lengths=np.ones(number, dtype=np.int64),
        provenance={},
    )
    group = writer.plan_group(plan)
    for shard in group.pending():
        span = range(*group.layout.shard_utterances(shard))
        rows = [np.arange(16, dtype=np.float32)[None] + i for i in span]
        group.commit(shard, {"layer-2": rows}, {})


def _ignore(count):
    pass


@pytest.mark.parametrize("feature", [SPEECH, "bert/word"])
def test_pieces_are_the_usable_utterances_in_order(store, feature):
    layer, found = store[feature], list(pieces(store, store[feature], PIECE_BYTES))
    assert len(found) > (feature == SPEECH)
    assert [name for piece in found for name in piece.ids] == layer.ids
    for piece in found:
        assert piece.rows.nbytes <= PIECE_BYTES
        for name, rows in piece.each():
            np.testing.assert_array_equal(rows, layer[name])
            assert rows.dtype == layer.dtype


@pytest.mark.parametrize("stores", ["zarr", "zarr-zstd", "hdf5"], indirect=True)
def test_a_damaged_utterance_is_named_and_not_exported(store, shard_file, tmp_path):
    layer = store[SPEECH]
    raw = store.backend.raw_shard(SPEECH, 1, layer.spec, layer.layout)
    content = bytearray(shard_file(shard=1).read_bytes())
    content[(raw.offset if raw else 0) + 20] ^= 4
    shard_file(shard=1).write_bytes(content)
    with pytest.raises(CorruptStoreError, match=r"layer-2, utt\d+: expected"):
        write_npz(store, layer, tmp_path / "out", _ignore)


@pytest.mark.parametrize("stores", ["zarr", "hdf5-gzip"], indirect=True)
class TestFormats:
    """What other programs read."""

    def test_numpy_reads_each_utterance_under_its_id(self, store, tmp_path):
        counts = []
        write_npz(store, store[SPEECH], tmp_path / "out", counts.append)
        index = pd.read_csv(tmp_path / "out" / "utterances.csv", index_col="id")
        assert list(index.index) == store[SPEECH].ids
        assert index["num_rows"].tolist() == store[SPEECH].lengths.tolist()
        assert index["label"].tolist() == store.utterances.loc[index.index, "label"].tolist()
        for name, file in index["file"].items():
            with np.load(tmp_path / "out" / file) as archive:
                np.testing.assert_array_equal(archive[name], store[SPEECH][name])
                assert archive[name].dtype == np.float16
        assert sum(counts) == index["num_rows"].sum()

    def test_numpy_reads_functionals_as_one_matrix(self, store, tmp_path):
        write_npz(store, store[f"functionals/{SPEECH}"], tmp_path / "out", _ignore)
        with np.load(tmp_path / "out" / "00000.npz") as archive:
            assert archive["ids"].tolist() == store.ids
            assert archive["functionals"].shape == (12, 16)
            np.testing.assert_array_equal(archive["functionals"][5], np.arange(16) + 5)

    def test_archives_are_the_same_every_time(self, store, tmp_path):
        for name in ("one", "two"):
            write_npz(store, store[SPEECH], tmp_path / name, _ignore)
        for file in (tmp_path / "one").iterdir():
            assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()

    @pytest.mark.parametrize("feature", [SPEECH, "bert/word"])
    def test_pandas_reads_a_row_per_utterance(self, store, tmp_path, feature):
        write_parquet(store, store[feature], tmp_path / "a" / "f.parquet", _ignore)
        table = pd.read_parquet(tmp_path / "a" / "f.parquet").set_index("id")
        assert list(table.columns) == [*store.utterances.columns, "rows"]
        assert list(table.index) == store[feature].ids
        assert table["label"].tolist() == store.utterances.loc[table.index, "label"].tolist()
        for name, rows in table["rows"].items():
            np.testing.assert_array_equal(np.stack(rows), store[feature][name])
            assert np.stack(rows).dtype == np.float16

    def test_parquet_has_a_row_group_per_piece(self, store, tmp_path):
        write_parquet(store, store[SPEECH], tmp_path / "f.parquet", _ignore)
        number = len(list(pieces(store, store[SPEECH], PIECE_BYTES)))
        assert pq.ParquetFile(tmp_path / "f.parquet").num_row_groups == number > 1

    def test_pandas_reads_functionals_as_columns(self, store, tmp_path):
        write_parquet(store, store[f"functionals/{SPEECH}"], tmp_path / "f.parquet", _ignore)
        table = pd.read_parquet(tmp_path / "f.parquet").set_index("id")
        expected = [f"{moment}_{i}" for moment in ("mean", "std") for i in range(8)]
        assert list(table.columns) == [*store.utterances.columns, *expected]
        values = table[expected].to_numpy()
        np.testing.assert_array_equal(values, store[SPEECH].functionals().loc[table.index])
        assert values.dtype == np.float32

    def test_columns_of_the_manifest_keep_their_types(self, stores, tmp_path):
        table = stores.manifest()
        table["naturalness"] = np.linspace(0, 1, len(table))
        other = stores.complete(table)
        write_parquet(other, other[SPEECH], tmp_path / "f.parquet", _ignore)
        found = pd.read_parquet(tmp_path / "f.parquet").set_index("id").drop(columns="rows")
        pd.testing.assert_frame_equal(found, other.utterances)

    def test_datasets_loads_rows(self, store, tmp_path):
        datasets = pytest.importorskip("datasets")
        write_dataset(store, store[SPEECH], tmp_path / "a" / "out", _ignore)
        loaded = datasets.load_from_disk(str(tmp_path / "a" / "out"))
        assert loaded["id"][:] == store[SPEECH].ids
        assert loaded.column_names == ["id", *store.utterances.columns, "rows"]
        for one in loaded.with_format("numpy", dtype=np.float16):
            np.testing.assert_array_equal(one["rows"], store[SPEECH][str(one["id"])])
        assert [file.name for file in (tmp_path / "a").iterdir()] == ["out"]

    def test_datasets_loads_functionals(self, store, tmp_path):
        datasets = pytest.importorskip("datasets")
        write_dataset(store, store[f"functionals/{SPEECH}"], tmp_path / "out", _ignore)
        loaded = datasets.load_from_disk(str(tmp_path / "out")).with_format("numpy")
        assert loaded["functionals"][:].shape == (12, 16)
        np.testing.assert_array_equal(loaded[5]["functionals"], np.arange(16) + 5)

    def test_datasets_loads_the_parquet_file(self, store, tmp_path):
        datasets = pytest.importorskip("datasets")
        write_parquet(store, store[SPEECH], tmp_path / "f.parquet", _ignore)
        loaded = datasets.load_dataset(
            "parquet", data_files=str(tmp_path / "f.parquet"), cache_dir=str(tmp_path / "cache")
        )["train"].with_format("numpy", dtype=np.float16)
        np.testing.assert_array_equal(loaded[0]["rows"], store[SPEECH]["utt000"])


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    def fail(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(huggingface.importlib, "import_module", fail)
    with pytest.raises(MissingPackageError, match=r"pip install 'tokser\[export\]'"):
        huggingface.require_datasets()


@pytest.mark.parametrize("stores", ["zarr"], indirect=True)
class TestChoice:
    """Which features are meant."""

    def test_all_by_default(self, store):
        names = [layer.name for layer in select_layers(store, (), functionals=False)]
        assert names == store.features
        names = [layer.name for layer in select_layers(store, (), functionals=True)]
        assert names == [f"functionals/{SPEECH}"]

    def test_an_unknown_feature_lists_those_there_are(self, store):
        with pytest.raises(SettingsError, match="whisper-tiny/layer-2, bert/word, got nonsense"):
            select_layers(store, ["nonsense"], functionals=False)

    def test_functionals_that_are_not_there_name_the_stage(self, store):
        with pytest.raises(StoreIncompleteError, match=r"none of bert/word. Run `tokser pool`"):
            select_layers(store, ["bert/word"], functionals=True)

    def test_an_unfinished_feature_is_refused(self, store, entry_file):
        entry_file(shard=0).unlink()
        with pytest.raises(StoreIncompleteError, match="missing: 0"):
            select_layers(open_store(store.path), [SPEECH], functionals=False)


class TestFolder:
    """A new folder is there whole or not at all."""

    def test_it_takes_its_name_at_the_end(self, tmp_path):
        with new_folder(tmp_path / "a" / "out") as partial:
            (partial / "file").write_text("x")
            assert not (tmp_path / "a" / "out").exists()
        assert (tmp_path / "a" / "out" / "file").read_text() == "x"
        assert [path.name for path in (tmp_path / "a").iterdir()] == ["out"]

    @pytest.mark.parametrize("fault", [KeyboardInterrupt, ValueError])
    def test_nothing_is_left_of_one_that_failed(self, tmp_path, fault):
        with pytest.raises(fault), new_folder(tmp_path / "out") as partial:
            (partial / "file").write_text("x")
            raise fault
        assert list(tmp_path.iterdir()) == []

    def test_what_a_killed_process_left_is_removed(self, tmp_path):
        (tmp_path / ".out.partial").mkdir()
        (tmp_path / ".out.partial" / "old").write_text("")
        with new_folder(tmp_path / "out") as partial:
            (partial / "new").write_text("")
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["new"]

    def test_an_empty_folder_is_as_good_as_none(self, tmp_path):
        (tmp_path / "out").mkdir()
        with new_folder(tmp_path / "out") as partial:
            (partial / "new").write_text("")
        assert (tmp_path / "out" / "new").exists()

    def test_something_else_is_never_overwritten(self, tmp_path):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.tex").write_text("x")
        with pytest.raises(SettingsError, match="holds something"), new_folder(tmp_path / "out"):
            raise AssertionError
        (tmp_path / "file").write_text("x")
        with pytest.raises(SettingsError, match="got a file"), new_folder(tmp_path / "file"):
            raise AssertionError
        assert (tmp_path / "out" / "thesis.tex").read_text() == "x"

    def test_two_at_once_are_refused(self, tmp_path):
        with (
            new_folder(tmp_path / "out"),
            pytest.raises(RunError, match="holds its lock"),
            new_folder(tmp_path / "out"),
        ):
            raise AssertionError
        assert (tmp_path / "out").is_dir()

    def test_a_full_disk_says_so(self, tmp_path):
        with pytest.raises(RunError, match="No space left"), new_folder(tmp_path / "out"):
            raise OSError(28, "No space left on device")
        assert list(tmp_path.iterdir()) == []
