"""The matrix of corpora, as docs/transfer.md shows it."""

import json

import pandas as pd
import pytest

from tokser.config import GridSettings
from tokser.config.transfer import TransferSettings
from tokser.errors import InputError, SettingsError, StoreMismatchError
from tokser.experiments.results import LABELS, TRANSFER
from tokser.experiments.transfer.run import run_transfer

pytestmark = pytest.mark.slow
GRID = GridSettings(batch_sizes=(16,), learning_rates=(1e-2,), hidden=(6,), epochs=2)


def settings(stores, out, **changes):
    values = {
        "dataset": "-".join(store.dataset for store in stores),
        "store": tuple(store.path for store in stores),
        "label_map": "four-classes",
        "heads": ("logreg",),
        "out": out,
        "grid": GRID,
        "device": "cpu",
    }
    return TransferSettings(**(values | changes))


@pytest.fixture(scope="module")
def done(pair, tmp_path_factory):
    return run_transfer(settings(pair, tmp_path_factory.mktemp("done") / "out"))


def test_the_matrix_has_every_cell_with_intervals(done):
    table = TRANSFER.read(done / TRANSFER.file)
    best = table[table["features"].str.startswith("best(")]
    cells = set(zip(best["train"], best["test"], best["kind"], strict=True))
    assert cells == {
        ("berlin", "berlin", "within"),
        ("berlin", "warsaw", "across"),
        ("warsaw", "berlin", "across"),
        ("warsaw", "warsaw", "within"),
    }
    assert (table["uar_low"] <= table["uar"]).all()
    assert table["n_test"].eq(36).all()
    assert best["uar"].min() > best["uar_chance"].max()
    labels = LABELS.read(done / LABELS.file)
    out = labels[labels["left_out"].ne("")].set_index(["corpus", "label"])["num_utterances"]
    assert out.to_dict() == {("berlin", "boredom"): 12, ("warsaw", "fear"): 12}


def test_speakers_of_equal_names_are_different_people(done):
    audit = json.loads((done / "audit.json").read_text())
    assert audit["berlin-to-warsaw"]["shared"]["speakers"] == 0
    assert audit["berlin-to-warsaw"]["stamp"] == ""


def test_the_ledger_counts_the_test_corpus_under_its_own_name(done):
    lines = [json.loads(line) for line in (done / "ledger.jsonl").read_text().splitlines()]
    across = [line for line in lines if line["protocol"] == "berlin-to-warsaw"]
    assert {line["dataset"] for line in across} == {"warsaw"}
    shared = (done.parent.parent / "pair0" / "ledger.jsonl").read_text().splitlines()
    ids = [json.loads(line)["test_ids"] for line in shared if "test_ids" in line]
    assert all(name.startswith("utt") for names in ids for name in names)


def test_nothing_of_the_test_corpus_selects(pair, write_corpus, done, tmp_path):
    """Other recordings and labels in it change no dev score of what it tests."""
    other = write_corpus(tmp_path, "warsaw", seed=9, labels=("sad", "fear", "ang", "neu"))
    again = run_transfer(settings((pair[0], other), tmp_path / "out"))
    keys = ["features", "batch_size", "fold", "dev_uar", "selected"]
    before, after = (
        grid[grid["protocol"].eq("berlin-to-warsaw")].reindex(columns=keys).reset_index(drop=True)
        for grid in (pd.read_csv(folder / "grid.csv") for folder in (done, again))
    )
    pd.testing.assert_frame_equal(before, after)
    scores = [TRANSFER.read(f / TRANSFER.file).set_index("protocol")["uar"] for f in (done, again)]
    assert set(scores[0]["berlin-to-warsaw"]) != set(scores[1]["berlin-to-warsaw"])


def test_networks_and_corpora_standardised_by_themselves(pair, tmp_path):
    changes = {"heads": ("mlp", "svm"), "num_seeds": 2, "standardise_by": "corpus"}
    out = run_transfer(
        settings(pair, tmp_path / "out", features=("whisper-tiny/layer-2",), **changes)
    )
    table = TRANSFER.read(out / TRANSFER.file)
    assert set(table["setup"]) == {"standardised by corpus"}
    mlp = table[table["classifier"].eq("mlp")]
    assert mlp["num_seeds"].eq(2).all()
    assert len(mlp) == 4


def test_all_others_are_pooled_for_training(pair, write_corpus, tmp_path):
    third = write_corpus(tmp_path, "paris", seed=2)
    out = run_transfer(settings((*pair, third), tmp_path / "out", features=("*/layer-2",)))
    table = TRANSFER.read(out / TRANSFER.file)
    others = table[table["kind"].eq("others")].set_index("test")
    assert others.loc["paris", "train"] == "berlin warsaw"
    assert others.loc["paris", "num_train"] + others.loc["paris", "num_dev"] == 72


def test_features_that_were_made_otherwise_are_refused(pair, write_corpus, tmp_path):
    other = write_corpus(tmp_path, "oslo", context="fit", weights_sha256="ab")
    with pytest.raises(StoreMismatchError, match="context None") as error:
        run_transfer(settings((pair[0], other), tmp_path / "out"))
    assert "context fit; weights_sha256 ab" in error.value.got
    assert pair[0].path in error.value.expected
    assert not (tmp_path / "out").exists()


def test_functionals_that_a_store_lacks_are_named(pair, tmp_path):
    with pytest.raises(StoreMismatchError, match="expected the functionals mean, max"):
        run_transfer(settings(pair, tmp_path / "out", features=("*/layer-2:mean:max",)))


def test_stores_that_share_no_pooled_feature(pair, store_factory, tmp_path):
    factory = store_factory(tmp_path)
    bare = factory.complete(factory.manifest(12), name="bare.zarr", dataset="bare")
    with pytest.raises(SettingsError, match=r"none in .*bare\.zarr.*tokser pool --store .*bare"):
        run_transfer(settings((pair[0], bare), tmp_path / "out"))


def test_a_store_or_a_corpus_twice_is_refused(pair, write_corpus, tmp_path):
    with pytest.raises(SettingsError, match=r"berlin\.zarr twice"):
        run_transfer(settings((pair[0], pair[0]), tmp_path / "out", dataset="x"))
    same = write_corpus(tmp_path, "berlin", seed=3)
    with pytest.raises(SettingsError, match="both of berlin"):
        run_transfer(settings((pair[0], same), tmp_path / "out", dataset="x"))


def test_corpora_without_common_classes_are_refused(pair, tmp_path):
    with pytest.raises(InputError, match="at least two classes that all corpora have"):
        run_transfer(settings(pair, tmp_path / "out", label_map=None))
    assert not (tmp_path / "out").exists()


def test_a_corpus_without_speakers_has_no_interval(pair, write_corpus, tmp_path, capsys):
    bare = write_corpus(tmp_path, "nobody", change=lambda table: table.assign(speaker=""))
    out = run_transfer(settings((pair[1], bare), tmp_path / "out", features=("*/layer-2",)))
    table = TRANSFER.read(out / TRANSFER.file).set_index("protocol")
    assert "within-nobody" not in table.index
    assert table.loc["warsaw-to-nobody", "no_interval"] == "speakers unknown"
    assert table.loc["warsaw-to-nobody", "stamp"].startswith("SPEAKERS UNKNOWN")
    assert "nobody is not scored within itself" in capsys.readouterr().err
