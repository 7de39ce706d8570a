"""`tokser classify --calibrate` as a library calls it."""

import json

import numpy as np
import pandas as pd
import pytest

from tokser.config import ClassifySettings, PoolSettings
from tokser.errors import InputError, SettingsError
from tokser.experiments.calibration.cross_fit import SetChoice, calibrate_by_speakers
from tokser.experiments.calibration.predicted import Predicted
from tokser.experiments.calibration.tables import (
    CALIBRATION,
    CALIBRATION_TABLES,
    COVERAGE,
    RELIABILITY,
    RISK,
)
from tokser.experiments.results import CLASSIFICATION
from tokser.experiments.statistics.sampling_units import find_sampling_units
from tokser.stages.classify import classify
from tokser.stages.pool import pool
from tokser.store import open_store

pytestmark = pytest.mark.slow

LAYERS = ("whisper-tiny/layer-1", "whisper-tiny/layer-2")
CLASSES = ("anger", "neutral", "sadness")


@pytest.fixture(scope="module")
def made(store_factory, tmp_path_factory):
    """Makes results on sixty utterances of four speakers; with other columns on demand."""
    root = tmp_path_factory.mktemp("calibration")
    stores = {}

    def store_of(**columns):
        key = str(columns)
        if key not in stores:
            factory = store_factory(root / f"store-{len(stores)}")
            table = factory.manifest(60).assign(**columns)
            plan = factory.plan(table, features={"layer-1": 5, "layer-2": 4})
            opened = factory.complete(table, plan)
            pool(PoolSettings(store=opened.path))
            stores[key] = opened.path
        return stores[key]

    def run(out, columns=None, **changes):
        values = {
            "dataset": "emodb",
            "store": store_of(**(columns or {})),
            "out": root / out,
            "features": LAYERS,
            "heads": ("logreg",),
            "protocols": ("speaker",),
            "ledger": root / "ledger.jsonl",
            "device": "cpu",
            "calibrate": "speakers",
            "coverage": (0.7,),
        }
        return classify(ClassifySettings(**(values | changes)))

    run.store = store_of()
    return run


@pytest.fixture(scope="module")
def by_speakers(made):
    return made("by-speakers", coverage=(0.7, 0.9), heads=("logreg", "svm"))


@pytest.fixture(scope="module")
def by_dev(made):
    return made("by-dev", calibrate="dev")


def read(folder, table) -> pd.DataFrame:
    return table.read(folder / table.file)


def test_every_configuration_has_its_rows(by_speakers):
    configurations = read(by_speakers, CLASSIFICATION.summary)[["features", "classifier"]]
    for table in CALIBRATION_TABLES:
        found = read(by_speakers, table)[["features", "classifier"]].drop_duplicates()
        pd.testing.assert_frame_equal(
            found.reset_index(drop=True), configurations.reset_index(drop=True)
        )
    assert len(read(by_speakers, CALIBRATION)) == 2 * len(configurations)
    assert len(read(by_speakers, RISK)) == 2 * 20 * len(configurations)


def test_scores_are_those_of_an_uncalibrated_run(made, by_speakers):
    plain = made("plain", calibrate=None, coverage=(0.9,), heads=("logreg", "svm"))
    for name in ("results.csv", "summary.csv", "predictions.parquet", "splits.json"):
        assert (plain / name).read_bytes() == (by_speakers / name).read_bytes()
    assert not any((plain / table.file).exists() for table in CALIBRATION_TABLES)
    settings = json.loads((plain / "provenance.json").read_text())["settings"]
    assert not {"calibrate", "coverage", "set_score"} & set(settings)  # as versions before wrote


def test_tables_follow_from_the_predictions(made, by_speakers):
    table = read(by_speakers, CLASSIFICATION.predictions)
    own = table[(table["features"] == LAYERS[0]) & (table["classifier"] == "logreg")]
    units = find_sampling_units(open_store(made.store).utterances)
    raw = Predicted.of(own, CLASSES, units)
    found = calibrate_by_speakers(raw, SetChoice((0.7, 0.9)))
    covered = read(by_speakers, COVERAGE).set_index(
        ["features", "classifier", "exchangeable", "level", "group_kind", "group"]
    )
    for (kind, level), sets in found.sets.items():
        row = covered.loc[(LAYERS[0], "logreg", kind, level, "all", "")]
        assert row["coverage"] == pytest.approx(sets[np.arange(60), raw.truth].mean())
        assert row["mean_set_size"] == pytest.approx(sets.sum(axis=1).mean())
        assert row["num_calibrating"] == {"speakers": 3, "utterances": 45}[kind]
    calibration = read(by_speakers, CALIBRATION)
    assert calibration.loc[1, "temperature"] == pytest.approx(found.temperatures.mean())
    assert np.isnan(calibration.loc[0, "temperature"])


def test_too_few_speakers_are_told(by_speakers):
    covered = read(by_speakers, COVERAGE)
    short = covered[(covered["level"] == 0.9) & (covered["exchangeable"] == "speakers")]
    assert short["promise"].str.startswith("none: 3 speakers can promise at most 75.0 %").all()
    assert (short["mean_set_size"] == 3).all() and (short["coverage"] == 1).all()
    held = covered[(covered["level"] == 0.7) & (covered["exchangeable"] == "speakers")]
    assert (held["promise"] == "an utterance of a new speaker").all()


def test_heads_without_probabilities_are_told(by_speakers, capsys, made):
    outputs = read(by_speakers, CALIBRATION).set_index("classifier")["outputs"]
    assert set(outputs["logreg"]) == {"probabilities"}
    assert set(outputs["svm"]) == {"decision values"}
    made("by-svm", heads=("svm",), features=LAYERS[:1])
    assert "svm put out decision values and no probabilities" in capsys.readouterr().err


def test_dev_parts_are_predicted_and_kept(by_dev):
    parts = sorted((by_dev / "parts").glob("*.dev.parquet"))
    assert len(parts) == 2
    dev = pd.read_parquet(parts[0])
    assert set(dev) >= {"fold", "id", "label", *(f"probability_{name}" for name in CLASSES)}
    calibration = read(by_dev, CALIBRATION)
    assert set(calibration["calibrated_by"]) == {"dev"}
    assert set(calibration["features"]) == {*LAYERS, "best(whisper-tiny/layer-1..2)"}
    covered = read(by_dev, COVERAGE)
    assert set(covered["num_calibrating"]) == {1, 15}


def test_the_same_call_goes_on_where_it_was_stopped(made, by_dev, capsys):
    (by_dev / "provenance.json").unlink()
    before = {table: (by_dev / table.file).read_bytes() for table in CALIBRATION_TABLES}
    (by_dev / COVERAGE.file).unlink()
    made("by-dev", calibrate="dev")
    assert before == {table: (by_dev / table.file).read_bytes() for table in CALIBRATION_TABLES}


def test_bins_say_how_often_the_label_is_right(by_speakers):
    bins = read(by_speakers, RELIABILITY)
    keys = ["features", "classifier", "probabilities", "label"]
    assert (bins.groupby(keys)["num_utterances"].sum() == 60).all()
    assert set(bins["label"]) == {"", *CLASSES}


def test_several_seeds_share_a_row(made):
    out = made("seeds", protocols=("random",), num_seeds=2, features=LAYERS[:1])
    calibration = read(out, CALIBRATION)
    assert len(calibration) == 2 and set(calibration["num_seeds"]) == {2}
    promises = read(out, COVERAGE)["promise"]
    assert promises.str.startswith("none").all()


@pytest.mark.parametrize(
    ("columns", "got"),
    [({"speaker": ""}, "none of utt000"), ({"speaker": "s0"}, "one speaker alone")],
)
def test_unknown_speakers_are_refused_before_training(made, columns, got):
    with pytest.raises(InputError, match=got):
        made(f"no-{got[:4]}", columns=columns, protocols=("random",))


def test_several_labels_at_once_are_refused(made):
    with pytest.raises(SettingsError, match="--labels single, got --labels multilabel"):
        made("several", labels="multilabel")


@pytest.mark.parametrize("coverage", [(0.0,), (1.0,), ()])
def test_a_coverage_lies_between_0_and_1(made, coverage):
    with pytest.raises(ValueError, match="coverage"):
        made("wrong", coverage=coverage)
