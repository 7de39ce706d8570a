"""Features from files, as own-encoder.md takes them into a store."""

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from tokser.cli import main
from tokser.errors import InputError, MissingInputError, SettingsError, StoreMismatchError
from tokser.functionals.imported import import_functionals
from tokser.functionals.tables import read_functionals
from tokser.store import open_store, verify_store


@pytest.fixture
def store(stores):
    table = stores.manifest(9)
    return stores.complete(table, stores.plan(table, features={"layer-2": 5}))


def written(store, file, **changes):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(len(store.ids), 3)), columns=["f0", "jitter", "rate"])
    table.insert(0, "id", store.ids)
    table.assign(**changes).to_csv(file, index=False)
    return table.set_index("id")


def test_a_table_becomes_functionals_of_the_store(store, tmp_path):
    wanted = written(store, tmp_path / "prosody.csv")
    done = import_functionals(store, tmp_path / "prosody.csv", "prosody")
    assert (done.feature, done.dim, done.lacking) == ("prosody/functionals", 3, ())
    opened = open_store(store.path)
    assert opened.pooled == ["prosody/functionals"]
    found = read_functionals(opened, "prosody/functionals")
    assert list(found.columns) == ["f0", "jitter", "rate"]
    np.testing.assert_allclose(found, wanted.astype(np.float32))
    source = opened["functionals/prosody/functionals"].provenance["source"]
    assert source["file"] == "prosody.csv"
    assert len(source["file_sha256"]) == 64
    assert verify_store(opened).is_whole


def test_an_archive_does_as_well_and_rows_may_lack(store, tmp_path):
    ids = np.array(store.ids[3:][::-1])
    values = np.arange(len(ids) * 2.0).reshape(-1, 2)
    np.savez(tmp_path / "x.npz", ids=ids, values=values)
    done = import_functionals(store, tmp_path / "x.npz", "x")
    assert done.lacking == tuple(store.ids[:3])
    found = open_store(store.path).functionals("x/functionals")
    assert list(found.index) == store.ids[3:]
    np.testing.assert_array_equal(found.loc[ids], values)


def test_the_same_file_is_taken_in_once_and_another_is_refused(store, tmp_path):
    written(store, tmp_path / "a.csv")
    for _ in range(2):
        import_functionals(open_store(store.path), tmp_path / "a.csv", "mine")
    written(store, tmp_path / "b.csv", f0=1.0)
    with pytest.raises(StoreMismatchError, match=r"a\.csv as in the store.*tokser store drop"):
        import_functionals(open_store(store.path), tmp_path / "b.csv", "mine")


def test_the_name_of_an_encoder_is_refused(store, tmp_path):
    written(store, tmp_path / "a.csv")
    for name in ("whisper-tiny", "Whisper-Tiny"):
        with pytest.raises(SettingsError, match="a name that no encoder or run has"):
            import_functionals(store, tmp_path / "a.csv", name)
    with pytest.raises(SettingsError, match="--name"):
        import_functionals(store, tmp_path / "a.csv", "a/b")


@pytest.mark.parametrize(
    ("changes", "got"),
    [
        ({"rate": "fast"}, "utt000, rate: fast"),
        ({"rate": "nan"}, "utt000, rate: nan"),
        ({"f0": "1e300"}, "utt000, f0: 1e300"),
        ({"id": "utt001"}, "ids that occur twice: utt001"),
        ({"id": [f"u{i}" for i in range(9)]}, "9 that are not there: u0, u1"),
    ],
)
def test_wrong_cells_are_named_and_nothing_is_written(store, tmp_path, changes, got):
    written(store, tmp_path / "a.csv", **changes)
    with pytest.raises(InputError, match=got):
        import_functionals(store, tmp_path / "a.csv", "mine")
    assert open_store(store.path).groups == store.groups


@pytest.mark.parametrize(
    ("arrays", "got"),
    [
        ({"ids": ["utt000"]}, "the arrays ids"),
        ({"ids": ["utt000"], "values": [1.0]}, r"ids \(1,\) and values \(1,\)"),
        ({"ids": ["utt000"], "values": [["a"]]}, "values of type <U1"),
        ({"ids": ["utt000"], "values": [[1.0]], "columns": ["a", "b"]}, r"columns \(2,\)"),
        ({"ids": ["utt000"], "values": np.zeros((1, 0))}, "1 rows and 0 columns"),
    ],
)
def test_archives_of_another_form_are_refused(store, tmp_path, arrays, got):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(InputError, match=got):
        import_functionals(store, tmp_path / "x.npz", "mine")


@pytest.mark.parametrize("content", [b"", b"no,rate\n1,2\n", b"PK\x03\x04broken", b"\xff\xfe\x00"])
@pytest.mark.parametrize("suffix", ["csv", "npz"])
def test_damaged_files_are_refused(store, tmp_path, content, suffix):
    (tmp_path / f"a.{suffix}").write_bytes(content)
    with pytest.raises(InputError, match=r"expected CSV with a column 'id', or npz"):
        import_functionals(store, tmp_path / f"a.{suffix}", "mine")


def test_a_missing_file_is_named(store, tmp_path):
    with pytest.raises(MissingInputError, match=r"none\.csv: .*no such file"):
        import_functionals(store, tmp_path / "none.csv", "mine")


def test_the_command_says_what_it_took_in(store, tmp_path):
    written(store, tmp_path / "a.csv")
    arguments = ["store", "import", store.path, str(tmp_path / "a.csv"), "--name", "mine"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "mine/functionals, 3 numbers of 9 utterances" in result.output
