import numpy as np
import pandas as pd
import pytest

from tokser.experiments.classification import Classification
from tokser.experiments.fairness.groupings import find_groupings
from tokser.experiments.fairness.scores import Predicted, gap_rows, group_rows
from tokser.experiments.regression import Regression
from tokser.experiments.statistics.metrics import score

CLASSES = ("anger", "neutral", "sadness")
EDGES = (18.0, 60.0)


def corpus(num_speakers=10, num_each=36, **columns):
    """Half the speakers are women; each says six sentences in three emotions."""
    num = num_speakers * num_each
    number = np.arange(num)
    table = {
        "speaker": [f"s{n:02d}" for n in number // num_each],
        "sex": ["fm"[n % 2] for n in number // num_each],
        "session": "",
        "language": "de",
        "transcript": [f"Satz {n}" for n in number // 3 % 6],
        "label": [CLASSES[n % 3] for n in number],
    }
    ids = pd.Index([f"u{n:04d}" for n in number], name="id")
    return pd.DataFrame(table | columns, index=ids)


def predicted(utterances, errors, seed=0):
    """Predictions of which a share is wrong, by group.

    Args:
        errors: Of each utterance, how probable an error is.
    """
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(utterances)) < errors
    labels = utterances["label"].tolist()
    shifted = [CLASSES[(CLASSES.index(x) + 1) % 3] for x in labels]
    guess = [b if is_wrong else a for a, b, is_wrong in zip(labels, shifted, wrong, strict=True)]
    return pd.DataFrame({"id": utterances.index, "label": labels, "prediction": guess})


def answers(utterances, errors, seeds=(0,)):
    tables = [predicted(utterances, errors, seed) for seed in seeds]
    return Predicted(Classification(), CLASSES, tables, utterances)


def rows_of(utterances, errors, name, **more):
    (grouping,) = find_groupings(utterances, [name], EDGES)
    return {row["group"]: row for row in group_rows(answers(utterances, errors, **more), grouping)}


def gaps_of(systems, utterances, names=()):
    found = gap_rows(systems, find_groupings(utterances, names, EDGES), seed=0)
    return {name: {row["column"]: row for row in rows} for name, rows in found.items()}


def test_a_group_is_scored_as_if_it_were_all():
    utterances = corpus()
    rows = rows_of(utterances, 0.2, "sex")
    table = predicted(utterances, 0.2)
    own = table[utterances["sex"].eq("f").to_numpy()]
    expected = score(own["label"].tolist(), own["prediction"].tolist())
    row = rows["f"]
    assert list(rows) == ["f", "m"]
    assert (row["uar"], row["macro_f1"]) == pytest.approx((expected.uar, expected.macro_f1))
    assert row["accuracy"] == pytest.approx(expected.accuracy)
    assert (row["n_test"], row["num_speakers"], row["num_classes"]) == (180, 5, 3)
    assert row["uar_low"] < row["uar"] < row["uar_high"]
    assert (row["unit"], row["num_units"], row["no_interval"]) == ("speaker", 5, "")
    is_anger = own["label"].eq("anger")
    hits = own["prediction"][is_anger].eq("anger").mean()
    assert row["recall_anger"] == pytest.approx(hits)
    assert row["recall_anger_low"] < hits < row["recall_anger_high"]


def test_a_group_of_one_speaker_resamples_sentences():
    row = rows_of(corpus(), 0.2, "speaker")["s03"]
    assert (row["unit"], row["num_units"], row["num_speakers"]) == ("sentence", 6, 1)
    assert row["uar_low"] < row["uar_high"]


def test_few_speakers_of_a_group_have_no_interval():
    rows = rows_of(corpus(num_speakers=5), 0.2, "sex")
    assert rows["m"]["no_interval"] == "fewer than 4 speakers"
    assert np.isnan(rows["m"]["uar_low"])
    assert 0 < rows["m"]["uar"] < 1


def test_the_uar_is_over_the_classes_that_a_group_has():
    utterances = corpus()
    lacks = utterances["sex"].eq("m") & utterances["label"].eq("sadness")
    rows = rows_of(utterances[~lacks], 0.0, "sex")
    assert (rows["m"]["uar"], rows["m"]["num_classes"]) == (1.0, 2)
    assert rows["m"]["recall_sadness"] is None
    alone = corpus()
    alone["label"] = np.where(alone["sex"].eq("m"), "anger", alone["label"])
    rows = rows_of(alone, 0.0, "sex")
    assert (rows["m"]["uar"], rows["m"]["num_classes"]) == (1.0, 1)


def test_those_without_a_group_come_last_and_are_not_compared():
    utterances = corpus()
    utterances.loc[utterances["speaker"].eq("s00"), "sex"] = ""
    rows = rows_of(utterances, 0.1, "sex")
    assert list(rows) == ["f", "m", "unknown"]
    gap = gaps_of({"x": answers(utterances, 0.1)}, utterances, ["sex"])["x"]["sex"]
    assert (gap["num_groups"], gap["num_units"]) == (2, 9)


@pytest.mark.slow
def test_a_planted_gap_is_found_and_none_where_there_is_none():
    utterances = corpus()
    errors = np.where(utterances["sex"].eq("m"), 0.4, 0.05)
    systems = {"unfair": answers(utterances, errors), "fair": answers(utterances, 0.2)}
    found = gaps_of(systems, utterances, ["sex", "speaker"])
    unfair, fair = found["unfair"]["sex"], found["fair"]["sex"]
    assert (unfair["highest"], unfair["lowest"]) == ("f", "m")
    assert unfair["low"] < unfair["gap"] < unfair["high"]
    assert unfair["low"] > 0.1
    assert unfair["p"] == pytest.approx(2 / 252)
    assert unfair["p"] <= unfair["p_adjusted"] <= 0.05
    assert fair["p"] > 0.05
    assert fair["low"] < 0 < fair["high"]
    assert found["unfair"]["speaker"]["p"] < 0.01 < found["fair"]["speaker"]["p"]
    assert fair["gap_by_chance"] == pytest.approx(fair["gap"], abs=0.1)
    speaker = found["fair"]["speaker"]
    assert speaker["gap_by_chance"] == pytest.approx(speaker["gap"], abs=0.1)
    assert speaker["gap_by_chance"] > 0.1  # ten speakers who do not differ


def test_gaps_are_over_the_classes_that_all_groups_have():
    utterances = corpus()
    lacks = utterances["speaker"].eq("s03") & utterances["label"].eq("sadness")
    kept = utterances[~lacks]
    errors = np.where(kept["label"].eq("sadness"), 1.0, 0.0)
    gap = gaps_of({"x": answers(kept, errors)}, kept, ["speaker"])["x"]["speaker"]
    assert (gap["num_classes"], gap["classes_left_out"], gap["gap"]) == (2, "sadness", 0.0)
    assert gap["p"] == 1.0


def test_small_groups_and_single_classes_are_not_compared():
    utterances = corpus(language="de")
    utterances.loc[utterances.index[:4], "language"] = "fr"
    gap = gaps_of({"x": answers(utterances, 0.1)}, utterances, ["language"])["x"]["language"]
    assert gap["not_compared"] == "fr"
    assert gap["no_test"] == gap["no_interval"] == "fewer than two groups of 10 utterances"
    apart = corpus()
    apart["label"] = np.where(apart["sex"].eq("m"), "anger", "neutral")
    gap = gaps_of({"x": answers(apart, 0.1)}, apart, ["sex"])["x"]["sex"]
    assert gap["no_test"] == "fewer than two classes that all groups have"


def test_too_few_speakers_for_a_test_say_so():
    utterances = corpus(num_speakers=4)
    gap = gaps_of({"x": answers(utterances, 0.1)}, utterances, ["sex"])["x"]["sex"]
    assert gap["no_test"] == "4 speakers: p cannot be below 0.333"
    assert gap.get("p") is None
    unknown = corpus(speaker="")
    unknown["sex"] = ["f", "m"] * (len(unknown) // 2)
    gap = gaps_of({"x": answers(unknown, 0.1)}, unknown, ["sex"])["x"]["sex"]
    assert gap["no_test"] == gap["no_interval"] == "speakers unknown"


def test_groups_within_speakers_are_compared_in_pairs():
    utterances = corpus(num_speakers=8)
    is_late = np.arange(len(utterances)) % 36 >= 18
    utterances["session"] = np.where(is_late, "b", "a")
    gap = gaps_of({"x": answers(utterances, 0.4 * is_late)}, utterances, ["session"])["x"]
    assert (gap["session"]["highest"], gap["session"]["num_units"]) == ("a", 8)
    assert gap["session"]["num_arrangements"] == 2**8
    assert gap["session"]["p"] == pytest.approx(2 / 2**8)


def test_seeds_are_averaged():
    utterances = corpus()
    rows = rows_of(utterances, 0.2, "sex", seeds=(1, 2))
    single = [rows_of(utterances, 0.2, "sex", seeds=(seed,))["f"]["uar"] for seed in (1, 2)]
    assert rows["f"]["uar"] == pytest.approx(np.mean(single))
    assert rows["f"]["num_seeds"] == 2


def test_numbers_are_compared_by_their_concordance():
    utterances = corpus()
    rng = np.random.default_rng(3)
    truth = rng.normal(size=len(utterances))
    noise = np.where(utterances["sex"].eq("m"), 2.0, 0.1) * rng.normal(size=len(utterances))
    table = pd.DataFrame({"id": utterances.index, "truth": truth, "prediction": truth + noise})
    own = Predicted(Regression(("valence",)), (), [table], utterances)
    grouping, *_ = find_groupings(utterances, ["sex"], EDGES)
    rows = {row["group"]: row for row in group_rows(own, grouping)}
    assert rows["f"]["ccc"] > 0.95 > 0.6 > rows["m"]["ccc"]
    assert rows["f"]["num_classes"] is None
    gap = gap_rows({"x": own}, [grouping], seed=0)["x"][0]
    assert gap["gap"] == pytest.approx(rows["f"]["ccc"] - rows["m"]["ccc"])
    assert gap["p"] <= 0.01
