import numpy as np
import pandas as pd
import pytest

from tokser.errors import SettingsError
from tokser.experiments.fairness.groupings import age_bands, find_groupings

EDGES = (18.0, 30.0, 45.0, 60.0)


def table(**columns):
    usual = {
        "speaker": [f"s{i % 4}" for i in range(24)],
        "sex": ["fm"[i % 2] for i in range(24)],
        "session": [""] * 24,
        "language": ["de"] * 24,
        "transcript": [f"Satz {i % 3}" for i in range(24)],
        "label": ["anger", "neutral"] * 12,
    }
    return pd.DataFrame(
        usual | columns, index=pd.Index([f"u{i:02d}" for i in range(24)], name="id")
    )


def found(utterances, names=(), bands=EDGES):
    return {one.column: one for one in find_groupings(utterances, names, bands)}


def test_columns_with_two_values_are_taken_by_default():
    assert list(found(table())) == ["sex", "speaker"]
    more = table(corpus=["a", "b"] * 12, session=[f"Ses{i % 2}" for i in range(24)])
    assert list(found(more)) == ["sex", "session", "speaker", "corpus"]


def test_speakers_are_resampled_and_of_a_speaker_sentences():
    groupings = found(table())
    assert groupings["sex"].units.kind == "speaker"
    assert groupings["speaker"].units.kind == "sentence"
    silent = found(table(transcript=[""] * 24))
    assert silent["speaker"].units.kind == "utterance"


def test_ages_are_told_in_bands():
    ages = pd.Series([17.0, 18.0, 29.5, 30.0, 60.0, np.nan])
    expected = ["under 18", "18 to 29", "18 to 29", "30 to 44", "60 and over", ""]
    assert age_bands(ages, EDGES).tolist() == expected
    assert age_bands(ages, [20.0]).tolist() == ["under 20"] * 2 + ["20 and over"] * 3 + [""]
    assert age_bands(pd.Series([20.0, 21.0]), [20.0, 21.0, 21.5]).tolist() == [
        "20", "21 to under 21.5"
    ]  # fmt: skip


def test_bands_of_a_column_stand_in_their_order(capsys):
    ages = ["9", "35", "70", "old"] * 6
    grouping = found(table(age=ages), ["age"])["age"]
    assert grouping.order == ("under 18", "30 to 44", "60 and over")
    assert grouping.of.tolist()[:4] == ["under 18", "30 to 44", "60 and over", ""]
    assert found(table(age=["20-29", "30-39"] * 12))["age"].order == ("20-29", "30-39")


def test_an_unknown_column_names_those_that_there_are():
    with pytest.raises(SettingsError, match=r"--by accent: expected .*sex.*none called 'accent'"):
        find_groupings(table(), ["sex", "accent"], EDGES)


@pytest.mark.parametrize(
    ("columns", "got"),
    [({"sex": ["f"] * 24}, "'f' for every utterance"), ({"sex": [""] * 24}, "without values")],
)
def test_a_column_that_is_named_needs_two_values(columns, got):
    with pytest.raises(SettingsError, match=f"--by sex: .*two values.*{got}"):
        find_groupings(table(**columns), ["sex"], EDGES)
    assert "sex" not in found(table(**columns))


def test_hundreds_of_speakers_are_grouped_only_when_named():
    speakers = [f"s{i}" for i in range(120)]
    ids = pd.Index([f"u{i}" for i in range(240)], name="id")
    many = pd.DataFrame(
        {"speaker": speakers * 2, "sex": ["f", "m"] * 120, "transcript": ""}, index=ids
    )
    assert list(found(many)) == ["sex"]
    assert list(found(many, ["speaker"])) == ["speaker"]
