import pandas as pd
import pytest

from tokser.report.inputs import read_inputs
from tokser.report.sections import find_sections

FEATURES = ("whisper-base/layer-2", "whisper-base/layer-10", "demo/aligned")


def sections(*folders):
    return find_sections(read_inputs(folders))


@pytest.fixture
def parts(folders):
    (section,) = sections(folders.regression(features=FEATURES))
    return section.parts


def test_every_target_has_the_scores_of_the_folder(folders, parts):
    table = pd.read_csv(folders.root / "iemocap-dimensional" / "regression.csv")
    assert [part.target for part in parts] == ["arousal", "valence"]
    for part in parts:
        mine = table[table["target"] == part.target].set_index(["features", "protocol"])
        assert part.scores.protocols == ("speaker", "random")
        assert [row.features for row, _ in part.scores.rows] == sorted(FEATURES, key=len)
        for row, found in part.scores.rows:
            for protocol, score in found.items():
                wanted = mine.loc[(row.features, protocol)]
                assert (score.value, score.values["rmse"]) == (wanted["ccc"], wanted["rmse"])


def test_the_agreement_averages_equal_annotations_together(folders, parts):
    part = parts[0]
    row, _ = part.scores.highest("speaker")
    (folder,) = read_inputs([folders.root / "iemocap-dimensional"]).experiments
    table = folder.predictions
    own = table[(table["features"] == row.features) & (table["target"] == part.target)]
    lowest = own[(own["protocol"] == "speaker") & (own["truth"] == 1)]["prediction"].mean()
    described = f"{row.label}: predictions from {lowest:.2f} for annotations of 1.00"
    assert described in part.agreement.description


def test_the_agreement_has_the_predictions_of_its_setup(folders):
    usual, other = folders.regression("usual"), folders.regression("by-speaker")
    for name in ("regression.csv", "comparisons.csv"):
        table = pd.read_csv(other / name, keep_default_na=False)
        table.assign(setup="standardised by speaker").to_csv(other / name, index=False)
    made = pd.read_parquet(other / "predictions.parquet")
    made.assign(prediction=made["prediction"] + 100).to_parquet(other / "predictions.parquet")
    scores = pd.read_csv(other / "regression.csv", keep_default_na=False)
    scores.assign(ccc=0.0).to_csv(other / "regression.csv", index=False)
    (both,), (alone,) = sections(usual, other), sections(usual)
    for part, wanted in zip(both.parts, alone.parts, strict=True):
        assert part.agreement.description.replace(" · usual", "") == wanted.agreement.description


def test_every_target_has_its_paired_tests(parts):
    for part in parts:
        assert [(f.protocol, f.classifier, len(f.pairs)) for f, _ in part.families] == [
            ("speaker", "ridge", 3),
            ("random", "ridge", 3),
        ]
        assert len(part.comparisons.rows) == 6


def test_tiles_name_target_protocol_and_score(folders, parts):
    assert parts[0].tiles[0].title == "Arousal, unseen speakers, CCC"
    (section,) = sections(folders.results())
    titles = [tile.title for tile in section.parts[0].tiles]
    assert titles == ["Unseen speakers, UAR", "Random split, UAR"]


def test_leakage_and_layer_curves_exist_for_every_target(parts):
    for part in parts:
        assert "CCC on unseen speakers" in part.leakage_figure.heading
        assert [label for label, _ in part.layer_figures] == ["whisper-base"]
        assert part.confusions == []
        assert part.chance == 0


@pytest.mark.slow
def test_confusions_are_those_of_each_protocol(folders):
    (section,) = sections(folders.results(features=FEATURES))
    (part,) = section.parts
    assert [confused.protocol for confused in part.confusions] == ["speaker", "random"]
    assert "EmoDB, unseen speakers" in part.confusions[0].figure.heading
    assert b"LEAKS SPEAKERS" in part.confusions[1].figure.render("svg")
    assert part.agreement is None
