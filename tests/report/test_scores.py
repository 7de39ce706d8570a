import pandas as pd
import pytest

from tokser.report.scores import arrange, score_table
from tokser.report.tasks import CLASSIFICATION, REGRESSION

from .conftest import scores_of

LAYERS = [f"whisper-base/layer-{layer}" for layer in (10, 2, 0)]


def arranged(*folders):
    return arrange(CLASSIFICATION, scores_of(*folders))


def test_the_best_of_each_column_is_marked_per_protocol(folders):
    table = scores_of(folders.results(features=LAYERS))
    scores = arrange(CLASSIFICATION, table)
    assert scores.protocols == ("speaker", "random")
    for protocol in scores.protocols:
        mine = table[table["protocol"] == protocol]
        for metric in ("uar", "accuracy", "macro_f1"):
            marked = {row.features for row, found in scores.rows if metric in found[protocol].best}
            assert marked == set(mine.loc[mine[metric] == mine[metric].max(), "features"])


def test_numbers_have_only_their_headline_marked(folders):
    table = scores_of(folders.regression(features=LAYERS), target="valence")
    scores = arrange(REGRESSION, table)
    for protocol in scores.protocols:
        row, score = scores.highest(protocol)
        assert score.value == table[table["protocol"] == protocol]["ccc"].max()
        marked = [(r, s[protocol].best) for r, s in scores.rows if s[protocol].best]
        assert marked == [(row, {"ccc"})]


def test_the_estimate_is_what_dev_selected_among_most_rows(folders):
    names = [*LAYERS, "best(whisper-base/layer-0..2)"]
    scores = arranged(folders.results(features=names))
    row, score = scores.estimate("speaker")
    assert row.features == names[-1]
    assert score.num_candidates == 3
    assert scores.highest("speaker")[1].value == max(s.value for _, s in scores.under("speaker"))


def test_without_a_selection_on_dev_there_is_no_estimate(folders):
    assert arranged(folders.results("a")).estimate("speaker") is None
    scores = arranged(folders.results("b", features=LAYERS[:1]))
    assert scores.estimate("speaker")[0].features == LAYERS[0]


def test_classifiers_and_seeds_are_named_where_they_differ(folders):
    assert arranged(folders.results("a")).rows[0][0].label == "whisper-base/layer-2"
    paths = [
        folders.results(f"s{seed}", seed=seed, classifiers=["mlp", "logreg"]) for seed in (0, 1)
    ]
    labels = [row.label for row, _ in arranged(*paths).rows]
    assert len(set(labels)) == len(labels) == 8
    assert "whisper-base/layer-10 · logreg · seed 1" in labels


def test_rows_are_sorted_by_family_and_layer(folders):
    # The later a feature, the higher it scores.
    features = ["wavlm-base/layer-1", *LAYERS, "bert/contextual", "mean(bert/contextual, a/b)"]
    table = scores_of(folders.results(features=features, classifiers=["mlp", "svm"]))
    rows = arrange(CLASSIFICATION, table).by_family
    one = [features[-1], features[-2], *LAYERS[::-1], features[0]]
    assert [row.label for row, _ in rows] == [f"{f} · {c}" for c in ("mlp", "svm") for f in one]


def test_setups_are_named_where_they_differ(folders):
    table = scores_of(folders.results("a", features=LAYERS[:1]))
    both = pd.concat([table, table.assign(setup="class weights")])
    labels = [row.label for row, _ in arrange(CLASSIFICATION, both).rows]
    assert labels == ["whisper-base/layer-10 · usual", "whisper-base/layer-10 · class weights"]


def test_the_table_has_the_scores_and_the_stamps(folders):
    table = scores_of(folders.results(features=LAYERS))
    scores = arrange(CLASSIFICATION, table)
    found = score_table(scores, "emodb-scores", "Scores", {"random": "LEAKS SPEAKERS"})
    wanted = table[(table["features"] == LAYERS[0]) & (table["protocol"] == "speaker")].iloc[0]
    row = next(row for row in found.rows if row[0] == LAYERS[0])
    uar = row[found.headings.index("Unseen speakers: UAR")]
    assert (uar.value, uar.low) == pytest.approx((wanted["uar"], wanted["uar_low"]))
    assert row[found.headings.index("Unseen speakers: n")] == 535
    assert found.stamps == ("Random split: LEAKS SPEAKERS.",)


def test_missing_scores_are_blank_and_reasons_are_notes(folders):
    table = scores_of(folders.results(features=LAYERS))
    table = table.assign(no_interval=["3 speakers", *[""] * (len(table) - 1)]).iloc[:-1]
    found = score_table(arrange(CLASSIFICATION, table), "t", "Scores", {})
    assert [row for row in found.rows if row[1:5] == (None,) * 4]
    assert found.notes[-1] == "No interval: 3 speakers."
