"""`groups.csv` and `gaps.csv` of a whole experiment, and what a rerun makes of other columns."""

import pandas as pd
import pytest

from tokser.config import ClassifySettings, GridSettings, PoolSettings, ReportSettings
from tokser.errors import SettingsError
from tokser.experiments.fairness.tables import gaps_table, groups_table
from tokser.experiments.results import CLASSIFICATION
from tokser.report.inputs import read_inputs
from tokser.report.page import render
from tokser.report.sections import find_sections
from tokser.stages.classify import classify
from tokser.stages.pool import pool

pytestmark = pytest.mark.slow

BEST = "best(whisper-tiny/layer-1..2)"


@pytest.fixture(scope="module")
def run(store_factory, tmp_path_factory):
    """Classify sixty utterances of four speakers, who are of three ages."""
    root = tmp_path_factory.mktemp("fair")
    stores = store_factory(root)
    table = stores.manifest(60)
    table["age"] = table["speaker"].map({"s0": "12", "s1": "25", "s2": "25", "s3": "70"})
    opened = stores.complete(table, stores.plan(table, features={"layer-1": 5, "layer-2": 4}))
    pool(PoolSettings(store=opened.path))

    def with_settings(**changes):
        usual = {
            "dataset": "emodb", "store": str(opened.path), "out": root / "results",
            "protocols": ("speaker",), "heads": ("logreg",), "device": "cpu",
            "grid": GridSettings(),
        }  # fmt: skip
        return classify(ClassifySettings(**usual | changes))

    return with_settings


@pytest.fixture(scope="module")
def out(run):
    return run()


def test_every_configuration_has_scores_by_group(out):
    groups = groups_table(CLASSIFICATION).read(out / "groups.csv")
    assert set(groups["column"]) == {"sex", "age", "speaker"}
    assert groups.groupby(["features", "column"]).ngroups == 3 * 3
    summary = pd.read_csv(out / "summary.csv").set_index("features")
    for (features, _), own in groups.groupby(["features", "column"]):
        assert own["n_test"].sum() == 60
        whole = (own["accuracy"] * own["n_test"]).sum() / 60
        assert whole == pytest.approx(summary.loc[features, "accuracy"])
    assert groups["recall_anger"].between(0, 1).all()
    assert groups["no_interval"][groups["column"] == "sex"].eq("fewer than 4 speakers").all()
    ages = groups[groups["column"] == "age"]["group"].unique().tolist()
    assert ages == ["under 18", "18 to 29", "60 and over"]


def test_every_configuration_has_gaps(out):
    gaps = gaps_table(CLASSIFICATION).read(out / "gaps.csv")
    assert len(gaps) == 3 * 3
    speaker = gaps[(gaps["column"] == "speaker") & (gaps["features"] == BEST)].iloc[0]
    assert speaker["gap"] == pytest.approx(speaker["highest_score"] - speaker["lowest_score"])
    assert speaker["p"] <= speaker["p_adjusted"] <= 1
    assert gaps["no_test"][gaps["column"] == "sex"].str.contains("p cannot be below").all()


def test_the_page_shows_groups_of_the_estimate(out):
    inputs = read_inputs([out])
    (section,) = find_sections(inputs)
    (shown,) = section.parts[0].by_group
    assert (shown.protocol, shown.row.features) == ("speaker", BEST)
    assert [row[1] for row in shown.groups.rows][:2] == ["f", "m"]
    assert [row[0] for row in shown.gaps.rows] == ["sex", "age", "speaker"]
    page = render(ReportSettings(results=(out,), out=out / "page.html"), inputs)
    assert "Scores by group" in page


def test_other_columns_are_told_without_training_again(run, out):
    before = (out / "predictions.parquet").read_bytes()
    trained = {path: path.stat().st_mtime_ns for path in (out / "parts").iterdir()}
    run(by=("age", "transcript"), age_bands=(20.0,))
    groups = groups_table(CLASSIFICATION).read(out / "groups.csv")
    assert set(groups["column"]) == {"age", "transcript"}
    assert set(groups["group"][groups["column"] == "age"]) == {"under 20", "20 and over"}
    assert (out / "predictions.parquet").read_bytes() == before
    assert {path: path.stat().st_mtime_ns for path in (out / "parts").iterdir()} == trained
    run()
    assert set(groups_table(CLASSIFICATION).read(out / "groups.csv")["column"]) == {
        "sex", "age", "speaker"
    }  # fmt: skip


def test_an_unknown_column_changes_nothing(run, out, tmp_path):
    before = (out / "groups.csv").read_bytes()
    for folder in (out, tmp_path / "new"):
        with pytest.raises(SettingsError, match="--by accent"):
            run(by=("accent",), out=folder)
    assert (out / "groups.csv").read_bytes() == before
    assert not (tmp_path / "new").exists()


def test_ages_of_bands_increase():
    with pytest.raises(ValueError, match="higher than the one before"):
        ClassifySettings(dataset="emodb", store="s", out="o", age_bands=(30.0, 18.0))
