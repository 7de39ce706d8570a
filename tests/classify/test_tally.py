import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import recall_score

from tokser.classify.metrics import ccc
from tokser.classify.tally import mean_score, tally_classes, tally_numbers

CLASSES = ["a", "b", "c"]


@pytest.fixture
def corpus():
    """Predictions of 90 utterances by 6 speakers in 3 folds; a fold may have several speakers."""
    rng = np.random.default_rng(0)
    ids = [f"u{i}" for i in range(90)]
    speakers = pd.Series([f"s{i % 6}" for i in range(90)], index=ids)
    folds = [f"f{i % 6 // 2}" for i in range(90)]
    truth, noise = rng.choice(CLASSES, 90), rng.choice(CLASSES, 90)
    guess = np.where(rng.random(90) < 0.5, truth, noise)
    table = pd.DataFrame({"id": ids, "fold": folds, "label": truth, "prediction": guess})
    return table, speakers


def drawn(table, speakers, draw):
    """Write a draw out: the rows of every speaker, as often as that speaker was drawn."""
    return pd.concat([table[speakers.loc[table["id"]].to_numpy() == name] for name in draw])


def uar(part):
    return recall_score(
        part["label"], part["prediction"], average="macro", labels=sorted(set(part["label"]))
    )


def weights_of(draw, clusters):
    return np.array([[draw.count(name) for name in clusters]], dtype=np.float64)


def test_everybody_once_is_the_mean_over_folds(corpus):
    table, speakers = corpus
    clusters = sorted(set(speakers))
    tally = tally_classes(table, speakers, clusters, CLASSES)
    expected = np.mean([uar(part) for _, part in table.groupby("fold")])
    assert mean_score(tally, np.ones((1, 6)))[0] == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_a_draw_is_scored_as_if_it_were_written_out(corpus, seed):
    table, speakers = corpus
    clusters = sorted(set(speakers))
    draw = list(np.random.default_rng(seed).choice(clusters, 6))
    rows = drawn(table, speakers, draw)
    folds = dict(list(rows.groupby("fold")))
    share = {f: sum(f"f{int(s[1]) // 2}" == f for s in draw) / 2 for f in folds}
    expected = sum(share[f] * uar(part) for f, part in folds.items()) / sum(share.values())
    tally = tally_classes(table, speakers, clusters, CLASSES)
    assert mean_score(tally, weights_of(draw, clusters))[0] == pytest.approx(expected)


def test_numbers_give_the_ccc_of_each_fold(corpus):
    table, speakers = corpus
    rng = np.random.default_rng(1)
    table = table.assign(truth=rng.normal(3, 1, 90))
    table["prediction"] = table["truth"] * 0.5 + rng.normal(1, 0.3, 90)
    clusters = sorted(set(speakers))
    tally = tally_numbers(table, speakers, clusters)
    draw = ["s0", "s0", "s1", "s4", "s4", "s5"]
    rows = drawn(table, speakers, draw)
    scores = {
        f: ccc(part["truth"].to_numpy(), part["prediction"].to_numpy())
        for f, part in rows.groupby("fold")
    }
    expected = (1.5 * scores["f0"] + 1.5 * scores["f2"]) / 3
    assert mean_score(tally, weights_of(draw, clusters))[0] == pytest.approx(expected)


def test_many_draws_are_scored_in_pieces(corpus, monkeypatch):
    table, speakers = corpus
    clusters = sorted(set(speakers))
    tally = tally_classes(table, speakers, clusters, CLASSES)
    weights = np.random.default_rng(0).multinomial(6, [1 / 6] * 6, size=50).astype(float)
    whole = mean_score(tally, weights)
    monkeypatch.setattr("tokser.classify.tally._MOST_CELLS", 100)
    np.testing.assert_array_equal(mean_score(tally, weights), whole)
    assert mean_score(tally, np.empty((0, 6))).shape == (0,)
