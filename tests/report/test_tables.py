import numpy as np
import pandas as pd
import pytest

from tokser.errors import InputError, MissingInputError
from tokser.report.parse import parse_choices
from tokser.report.tables import find_layers, find_leaks, headline, merge_results

NO_CHOICES = pd.DataFrame(columns=["features", "protocol", "classifier", "setup", "chosen"])
LAYERS = [f"whisper-base/layer-{layer}" for layer in (10, 2, 0)]


def test_folders_are_merged_in_natural_order(folders):
    first = folders.results("a", features=LAYERS)
    second = folders.results("b", features=["wavlm-base/layer-1"], dataset="iemocap")
    merged = merge_results([second, first])
    assert list(merged["dataset"].unique()) == ["emodb", "iemocap"]
    assert list(merged["features"].unique()) == [*LAYERS[::-1], "wavlm-base/layer-1"]
    assert len(merged) == 8
    assert list(merged.columns) == list(pd.read_csv(first / "results.csv").columns)


def test_merging_loses_no_row(folders):
    paths = [folders.results(f"seed-{seed}", seed=seed) for seed in range(3)]
    merged = merge_results(paths)
    whole = pd.concat([pd.read_csv(path / "results.csv") for path in paths])
    assert sorted(merged["uar"]) == sorted(whole["uar"])


def test_the_same_configuration_in_two_folders_is_refused(folders):
    paths = [folders.results("a"), folders.results("b", features=["whisper-base/layer-2"])]
    with pytest.raises(InputError) as raised:
        merge_results(paths)
    message = str(raised.value)
    assert str(paths[0]) in message
    assert str(paths[1]) in message
    assert "whisper-base/layer-2/random/mlp/0" in message
    assert "layer-10" not in message


def test_every_folder_without_results_is_named(folders):
    with pytest.raises(MissingInputError, match=r"one/results\.csv.*two/results\.csv"):
        merge_results([folders.root / "one", folders.root / "two"])


def test_the_best_of_each_column_is_marked_per_protocol(folders):
    scores = merge_results([folders.results(features=LAYERS)])
    table = headline(scores)
    assert table.protocols == ("speaker", "random")
    for protocol in table.protocols:
        mine = scores[scores["protocol"] == protocol]
        for metric in ("uar", "accuracy", "macro_f1"):
            marked = {row.features for row, found in table.rows if metric in found[protocol].best}
            top = mine[metric] == mine[metric].max()
            assert marked == set(mine.loc[top, "features"])


def test_the_headline_is_what_dev_chose_among_most_rows(folders):
    names = [*LAYERS, "best(whisper-base/layer-0..2)"]
    table = headline(merge_results([folders.results(features=names)]))
    row, score = table.estimate("speaker")
    assert row.features == names[-1]
    assert score.num_candidates == 3
    assert table.highest("speaker")[1].uar == max(s.uar for _, s in table.under("speaker"))


def test_rows_side_by_side_that_dev_did_not_choose_among_are_no_headline(folders):
    assert headline(merge_results([folders.results("a")])).estimate("speaker") is None
    (alone,) = LAYERS[:1]
    table = headline(merge_results([folders.results("b", features=[alone])]))
    assert table.estimate("speaker")[0].features == alone


def test_classifiers_and_seeds_are_named_only_where_they_differ(folders):
    plain = headline(merge_results([folders.results("a")]))
    assert plain.rows[0][0].label == "whisper-base/layer-2"
    paths = [
        folders.results(f"s{seed}", seed=seed, classifiers=["mlp", "logreg"]) for seed in (0, 1)
    ]
    labels = [row.label for row, _ in headline(merge_results(paths)).rows]
    assert len(set(labels)) == len(labels) == 8
    assert "whisper-base/layer-10 · logreg · seed 1" in labels


def test_leaks_are_the_difference_in_points(folders):
    scores = merge_results([folders.results(features=LAYERS)])
    wide = scores.pivot(index="features", columns="protocol", values="uar")
    for leak in find_leaks(headline(scores)):
        expected = 100 * (wide.loc[leak.label, "random"] - wide.loc[leak.label, "speaker"])
        assert leak.points == pytest.approx(expected)


def test_one_protocol_shows_no_leak(folders):
    table = headline(merge_results([folders.results(protocols=["speaker"])]))
    assert find_leaks(table) == []


def test_layers_make_a_curve_in_their_order(folders):
    features = [*LAYERS, "wavlm-base/layer-3", "bert-base-uncased/contextual"]
    scores = merge_results([folders.results(features=features)])
    [curve] = find_layers(headline(scores), NO_CHOICES)
    assert curve.label == "whisper-base"
    assert curve.layers["speaker"] == (0, 2, 10)
    mine = scores[scores["protocol"] == "random"].set_index("features")["uar"]
    assert curve.uar["random"] == tuple(mine[name] for name in LAYERS[::-1])
    assert np.isnan(curve.interval["random"]).all()
    assert curve.chosen == {"speaker": {}, "random": {}}


def test_rings_count_the_folds_whose_own_dev_part_chose_a_layer(folders):
    best = "best(whisper-base/layer-0..2)"
    folder = folders.results(features=[*LAYERS, best], protocols=["speaker"])
    [curve] = find_layers(headline(merge_results([folder])), parse_choices(folder / "choices.csv"))
    assert curve.chosen["speaker"] == {10: 1, 2: 1, 0: 8}


def test_setups_are_named_where_they_differ(folders):
    scores = merge_results([folders.results("a", features=LAYERS[:1])])
    both = pd.concat([scores, scores.assign(setup="class weights")])
    labels = [row.label for row, _ in headline(both).rows]
    assert labels == ["whisper-base/layer-10 · usual", "whisper-base/layer-10 · class weights"]
