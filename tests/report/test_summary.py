import pandas as pd
import pytest

from tokser.report.summary import summary_tables

LAYERS = ("whisper-base/layer-2", "whisper-base/layer-10")
BEST = "best(whisper-base/layer-2..10)"


def test_protocols_stand_side_by_side_with_their_stamps(folders):
    (table,) = summary_tables(folders.results(features=(*LAYERS, BEST)))
    assert table.caption == "emodb, mlp, in percent"
    assert [(group.title, group.stamp) for group in table.groups[1:]] == [
        ("speaker, n = 535", ""), ("random, n = 54", "LEAKS SPEAKERS"),
    ]  # fmt: skip
    assert [row[0] for row in table.rows] == [BEST, *LAYERS]


def test_the_estimate_is_stated_with_chance(folders):
    folder = folders.results(features=(*LAYERS, BEST), protocols=["speaker"])
    (table,) = summary_tables(folder)
    scores = pd.read_csv(folder / "summary.csv").set_index("features").loc[BEST]
    assert f"UAR {100 * scores['uar']:.1f} [" in table.notes[0]
    assert "selected on dev in each fold among 3; chance 14.3" in table.notes[0]


def test_without_an_estimate_the_highest_row_is_none(folders):
    (table,) = summary_tables(folders.results(protocols=["speaker"]))
    assert table.notes == ("speaker: chance 14.3; the highest row is not an estimate",)


def test_every_target_has_a_table(folders):
    tables = list(summary_tables(folders.regression()))
    assert [table.caption for table in tables] == [
        "iemocap, valence, ridge",
        "iemocap, arousal, ridge",
    ]
    assert tables[0].headings[1].endswith("CCC")


@pytest.mark.parametrize("seeds", ["0", "0 1"])
def test_one_row_is_its_own_estimate(folders, seeds):
    folder = folders.results(features=LAYERS[:1], protocols=["speaker"])
    table = pd.read_csv(folder / "summary.csv", keep_default_na=False).assign(seeds=seeds)
    table.to_csv(folder / "summary.csv", index=False)
    (found,) = summary_tables(folder)
    assert "selected on dev" not in found.notes[0] and "UAR" in found.notes[0]
