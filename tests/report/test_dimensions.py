import pandas as pd
import pytest

from tokser.errors import InputError
from tokser.report.dimensions import find_dimensions
from tokser.report.exhibits import figures_of, tables_of
from tokser.report.results import read_inputs

FEATURES = ("whisper-base/layer-2", "whisper-base/layer-10", "demo/aligned")


@pytest.fixture
def read(folders):
    def read(**options):
        return read_inputs([folders.regression(features=FEATURES, **options)])

    return read


def test_a_folder_of_regress_is_told_from_one_of_classify(folders):
    inputs = read_inputs([folders.results(), folders.regression()])
    assert [len(kind) for kind in inputs] == [1, 0, 1]
    assert [one.folder.name for one in inputs.experiments] == ["emodb", "iemocap-dimensions"]


def test_every_target_has_the_scores_of_the_folder(read):
    inputs = read()
    (told,) = find_dimensions(inputs.regressions)
    assert told.protocols == ("speaker", "random")
    assert [target.name for target in told.targets] == ["arousal", "valence"]
    scores = inputs.regressions[0].scores
    for target in told.targets:
        assert [row.features for row, _ in target.rows] == sorted(FEATURES, key=len)
        for row, found in target.rows:
            for protocol, agreement in found.items():
                key = {"features": row.features, "protocol": protocol, "target": target.name}
                (wanted,) = scores[(scores[list(key)] == list(key.values())).all(axis=1)].to_dict(
                    "records"
                )
                assert (agreement.ccc, agreement.rmse) == (wanted["ccc"], wanted["rmse"])
        top = scores[scores["target"] == target.name].groupby("protocol")["ccc"].max()
        for protocol in told.protocols:
            assert target.highest(protocol)[1].ccc == top[protocol]
            marked = [row for row, found in target.rows if found[protocol].is_best]
            assert marked == [target.highest(protocol)[0]]
            assert target.headline(protocol) is None  # dev chose among none of them


def test_the_headline_is_what_dev_chose(folders):
    names = [*FEATURES, "best(a, b)"]
    folder = folders.regression(features=names)
    table = pd.read_csv(folder / "regression.csv", keep_default_na=False)
    table["num_candidates"] = table["features"].eq("best(a, b)").map({True: 3, False: 1})
    table.to_csv(folder / "regression.csv", index=False)
    (told,) = find_dimensions(read_inputs([folder]).regressions)
    for target in told.targets:
        assert target.headline("speaker")[0].features == "best(a, b)"


def test_the_figure_averages_equal_truths_together(read):
    inputs = read()
    (told,) = find_dimensions(inputs.regressions)
    target = told.targets[0]
    row, _ = target.highest("speaker")
    table = inputs.regressions[0].predictions
    own = table[(table["features"] == row.features) & (table["target"] == target.name)]
    lowest = own[(own["protocol"] == "speaker") & (own["truth"] == 1)]["prediction"].mean()
    assert f"{row.label}: estimates from {lowest:.2f} where 1.00" in target.figure.description


def test_the_figure_has_the_estimates_of_its_own_setup_alone(folders):
    usual, other = folders.regression("usual"), folders.regression("by-speaker")
    for name in ("regression.csv", "comparisons.csv"):
        table = pd.read_csv(other / name, keep_default_na=False)
        table.assign(setup="standardised by speaker").to_csv(other / name, index=False)
    told = pd.read_parquet(other / "predictions.parquet")
    told.assign(prediction=told["prediction"] + 100).to_parquet(other / "predictions.parquet")
    scores = pd.read_csv(other / "regression.csv", keep_default_na=False)
    scores.assign(ccc=0.0).to_csv(other / "regression.csv", index=False)
    (told,) = find_dimensions(read_inputs([usual, other]).regressions)
    (alone,) = find_dimensions(read_inputs([usual]).regressions)
    for target, wanted in zip(told.targets, alone.targets, strict=True):
        assert target.figure.description.replace(" · usual", "") == wanted.figure.description


def test_the_stamp_and_the_tests_are_told_by_target(read):
    (told,) = find_dimensions(read().regressions)
    assert told.verdicts["random"].stamp == "LEAKS SPEAKERS"
    for target in told.targets:
        assert [(f.protocol, f.classifier, len(f.pairs)) for f in target.families] == [
            ("speaker", "ridge", 3),
            ("random", "ridge", 3),
        ]


def test_every_target_has_a_table_and_a_figure_of_its_own(read):
    dimensions = find_dimensions(read().regressions)
    (first, second) = tables_of([], dimensions)
    assert (first.name, second.name) == ("iemocap-dimension-arousal", "iemocap-dimension-valence")
    assert {len(row) for row in first.rows} == {len(first.columns)}
    best = dimensions[0].targets[0].highest("speaker")[1]
    cell = next(row[1] for row in first.rows if row[1].is_best)
    assert str(cell) == f"{best.ccc:.2f} [{best.low:.2f}, {best.high:.2f}]"
    assert list(figures_of([], dimensions, [])) == [first.name, second.name]


def test_one_configuration_in_two_folders_is_refused(folders):
    paths = [folders.regression("a"), folders.regression("b")]
    with pytest.raises(InputError, match="each configuration once"):
        find_dimensions(read_inputs(paths).regressions)


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("ccc", 43.0, "numbers from -1 to 1 in ccc, got 43"),
        ("rmse", "high", "expected numbers in column rmse"),
        ("n_test", None, "got a blank"),
    ],
)
def test_scores_that_cannot_be_are_refused(folders, column, value, told):
    folder = folders.regression()
    table = pd.read_csv(folder / "regression.csv", keep_default_na=False).astype({column: object})
    table.loc[0, column] = value
    table.to_csv(folder / "regression.csv", index=False)
    with pytest.raises(InputError, match=told):
        read_inputs([folder])


def test_what_is_missing_is_made_by_regress(folders):
    folder = folders.regression()
    (folder / "audit.json").unlink()
    with pytest.raises(InputError, match=f"tokser regress --out {folder}"):
        read_inputs([folder])
