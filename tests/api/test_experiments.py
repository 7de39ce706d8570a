"""`tokser.classify` and `tokser.regress`, as somebody in a notebook calls them."""

import logging

import pytest

import tokser
from tokser.config import ClassifySettings
from tokser.errors import SettingsError, StoreMismatchError
from tokser.stages.classify import classify

pytestmark = pytest.mark.slow


def test_results_lie_beside_the_store_and_are_kept(store, results, home, caplog):
    assert results.folder.parent == home / "toy-results"
    assert results.folder.name.startswith("classify-")
    with caplog.at_level(logging.INFO, logger="tokser"):
        again = tokser.classify(store.path, protocol="random,speaker", heads=["logreg", "svm"])
    assert again.folder == results.folder
    assert "already in" in caplog.text
    other = tokser.classify(store, protocols="speaker", heads="logreg")
    assert other.folder != results.folder


def test_a_call_does_what_the_command_does(store, results, tmp_path):
    settings = ClassifySettings(
        dataset="emodb", store=store.path, out=tmp_path / "out", heads=("logreg", "svm"),
        protocols=("random", "speaker"), grid={"batch_sizes": [32], "learning_rates": [1e-3]},
    )  # fmt: skip
    by_command = classify(settings)
    for name in ("summary.csv", "predictions.parquet", "splits.json"):
        assert (by_command / name).read_bytes() == (results.folder / name).read_bytes()


def test_a_call_prints_nothing(store, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(logging.getLogger("tokser"), "handlers", [logging.NullHandler()])
    tokser.classify(store, features="whisper-tiny/layer-1", heads="logreg", out=tmp_path / "out")
    assert capfd.readouterr() == ("", "")


def test_wrong_calls_name_what_is_wrong(store, tmp_path):
    with pytest.raises(SettingsError, match=r"tokser\.classify: .*nearest known keyword: 'heads?'"):
        tokser.classify(store, hedas="logreg")
    with pytest.raises(SettingsError, match="whisper-tiny/layer-9"):
        tokser.classify(store, features="whisper-tiny/layer-9", heads="logreg")
    with pytest.raises(StoreMismatchError, match="a store of iemocap"):
        tokser.classify(store, dataset="iemocap")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SettingsError, match="a new folder"):
        tokser.classify(store, heads="logreg", out=tmp_path)


def test_numbers_are_predicted_in_the_same_way(store_factory, tmp_path):
    factory = store_factory(tmp_path)
    table = factory.manifest(40)
    table["valence"] = [f"{1 + i % 5 + 0.5 * (i % 3):.1f}" for i in range(len(table))]
    made = tokser.pool(factory.complete(table))
    found = tokser.regress(made, targets="valence", protocols="speaker")
    assert found.task == "regression"
    assert list(found.scores["target"]) == ["valence"]
    assert found.folder.name.startswith("regress-")
    assert "CCC" in found._repr_html_()
    with pytest.raises(SettingsError, match="numbers have no classes"):
        found.confusion()
