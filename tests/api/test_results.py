"""Results as tables, as python.md, calibration.md and fairness.md show them."""

import numpy as np
import pandas as pd
import pytest

import tokser
from tokser.errors import MissingInputError, SettingsError

pytestmark = pytest.mark.slow

BEST = "best(whisper-tiny/layer-1..2)"


def test_scores_have_a_row_for_each_configuration(results):
    scores = results.scores.set_index(["protocol", "classifier", "features"])
    assert scores.index.is_unique
    assert ("speaker", "logreg", "whisper-tiny/layer-2") in scores.index
    assert scores["uar"].between(0, 1).all()
    assert set(results.scores_by_seed["seed"]) == {0}
    assert repr(results).startswith(f"Results({str(results.folder)!r}: classification of emodb")


def test_calibration_is_there_where_it_was_asked_for(results, store):
    with pytest.raises(MissingInputError, match="calibrate='speakers'"):
        _ = results.calibration
    found = tokser.classify(store, protocols="speaker", heads="logreg", calibrate="speakers")
    assert set(found.calibration["probabilities"]) == {"raw", "calibrated"}
    assert set(found.coverage["group_kind"]) == {"all", "label", "speaker"}
    assert found.reliability["label"].eq("").any() and found.risk["share_answered"].max() == 1


def test_scores_by_group_and_gaps_are_tables(results):
    assert {"sex", "speaker"} <= set(results.groups["column"])
    assert results.groups["n_test"].gt(0).all()
    sex = results.gaps.query("column == 'sex'")
    assert len(sex) == len(results.scores)
    np.testing.assert_array_equal(sex["gap"], sex["highest_score"] - sex["lowest_score"])


def test_predictions_give_the_scores_again(results):
    mine = results.predictions.query(
        "protocol == 'speaker' and classifier == 'logreg' and features == 'whisper-tiny/layer-1'"
    )
    recalls = (mine["label"] == mine["prediction"]).groupby(mine["label"]).mean()
    scores = results.scores.set_index(["protocol", "classifier", "features"])
    uar = scores.loc[("speaker", "logreg", "whisper-tiny/layer-1"), "uar"]
    assert recalls.mean() == pytest.approx(uar)
    matrix = results.confusion("whisper-tiny/layer-1", head="logreg")
    assert np.diag(matrix).sum() == (mine["label"] == mine["prediction"]).sum()
    shares = results.confusion("whisper-tiny/layer-1", head="logreg", normalise=True)
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_without_a_name_the_confusion_is_of_what_dev_selected(results):
    everything = results.scores.query("protocol == 'speaker'")
    widest = everything.loc[everything["num_candidates"].idxmax()]
    named = results.confusion(widest["features"], head=widest["classifier"])
    pd.testing.assert_frame_equal(results.confusion(), named)


def test_an_unclear_configuration_is_refused_with_a_choice(results):
    with pytest.raises(SettingsError, match=r"got 2.*whisper-tiny/layer-1 / speaker / logreg"):
        results.confusion("whisper-tiny/layer-1")
    with pytest.raises(SettingsError, match="none of that name"):
        results.confusion("whisper-tiny/layer-3", head="logreg")


def test_layers_are_a_curve_for_each_head_and_protocol(results):
    layers = results.layers()
    assert len(layers) == 2 * 2 * 2
    assert set(layers["encoder"]) == {"whisper-tiny"}
    mine = layers.query("protocol == 'speaker' and classifier == 'svm'")
    assert list(mine["layer"]) == [1, 2]
    assert mine["num_selected"].sum() == 4


def test_comparisons_are_arranged_from_better_to_worse(results):
    table = results.compare()
    assert (table["difference"] >= 0).all()
    assert {"better", "worse", "p", "p_adjusted", "no_test"} <= set(table)


def test_the_audit_and_the_splits_are_tables(results):
    assert results.audit.loc["random", "stamp"] == "LEAKS SPEAKERS"
    assert results.audit.loc["speaker", "num_folds"] == 4
    splits = results.splits
    one = splits.query("protocol == 'speaker' and fold == 's1' and part == 'test'")
    assert len(one) == 15
    assert splits.query("protocol == 'random'")["seed"].isin([0]).all()


def test_other_tables_are_there(results):
    assert results.grid["selected"].any()
    assert set(results.classes["label"]) == {"anger", "neutral", "sadness"}
    assert BEST in set(results.choices["features"])
    assert results.provenance["stage"] == "classify"


def test_the_page_is_written_from_results(results, tmp_path):
    page = results.report(tmp_path / "page.html", title="mine")
    assert page == tmp_path / "page.html"
    assert "mine" in page.read_text()
    folder = tokser.report([results], out=tmp_path / "tables", formats="csv")
    assert folder == tmp_path / "tables"
    assert list(folder.glob("*.csv"))


def test_a_notebook_shows_the_scores(results):
    html = results._repr_html_()
    assert "<table" in html
    assert "LEAKS SPEAKERS" in html
    assert "whisper-tiny/layer-1" in html


def test_a_folder_is_opened_again_and_others_are_refused(results, tmp_path):
    again = tokser.load_results(str(results.folder))
    pd.testing.assert_frame_equal(again.scores, results.scores)
    with pytest.raises(MissingInputError, match="finished results of"):
        tokser.load_results(tmp_path)
