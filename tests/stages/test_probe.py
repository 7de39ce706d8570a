"""What features know, as docs/probing.md shows it."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import tokser
from tokser.cli import main
from tokser.config import PoolSettings
from tokser.errors import InputError, SettingsError
from tokser.experiments.probing.probe import probe_table
from tokser.experiments.probing.table import PROBES
from tokser.experiments.probing.targets import read_targets, usual_targets
from tokser.stages.pool import pool

NOISE, EMOTION, SPEAKER = (f"whisper-tiny/layer-{number}" for number in range(3))


@pytest.fixture(scope="module")
def store(store_factory, tmp_path_factory):
    """Layer 0 is noise; layer 1 knows the label and the duration, layer 2 the speaker."""
    factory = store_factory(tmp_path_factory.mktemp("probing"))
    table = factory.manifest(120)
    table["speaker"] = [f"s{(i // 3) % 6}" for i in range(len(table))]
    table["sex"] = ["fm"[int(name[1]) % 2] for name in table["speaker"]]
    table["age"] = [20.0 + 3 * int(name[1]) for name in table["speaker"]]
    labels, speakers = sorted(table["label"].unique()), sorted(table["speaker"].unique())
    plain = factory.rows

    def rows(plan, feature, position):
        found = plain(plan, feature, position).astype(np.float32)
        row = table.iloc[position]
        if feature == "layer-1":
            found[:, labels.index(row["label"])] += 3
            found[:, 5] += row["num_samples"] / 8_000
        elif feature == "layer-2":
            found[:, speakers.index(row["speaker"])] += 3
        return found.astype(np.float16)

    factory.rows = rows
    plan = factory.plan(table, features={"layer-0": 8, "layer-1": 8, "layer-2": 8})
    opened = factory.complete(table, plan)
    pool(PoolSettings(store=opened.path))
    return opened.path


@pytest.fixture(scope="module")
def table(store):
    return tokser.probe(store, targets="emotion,speaker,sex,duration").set_index(
        ["target", "feature"]
    )


def test_each_layer_knows_what_was_put_into_it(table):
    score = table["score"]
    assert score["emotion", EMOTION] > 0.95
    assert score["speaker", SPEAKER] > 0.95
    assert score["duration", EMOTION] > 0.9
    for target in ("emotion", "speaker", "duration"):
        assert score[target, NOISE] < table.loc[(target, NOISE), "chance"] + 0.25


def test_controls_are_at_chance_and_intervals_hold_the_score(table):
    classes = table[table["metric"] == "uar"]
    assert (classes["control"] - classes["chance"]).abs().max() < 0.15
    assert (table["selectivity"] == table["score"] - table["control"]).all()
    assert (table["low"].le(table["score"]) & table["score"].le(table["high"])).all()


@pytest.mark.slow
def test_logistic_regression_finds_the_same_of_classes(store, table):
    found = tokser.probe(store, features=EMOTION, targets="emotion,duration", head="logreg")
    found = found.set_index(["target", "feature"])
    emotion, ridge = found.loc[("emotion", EMOTION)], table.loc[("emotion", EMOTION)]
    assert (emotion["head"], ridge["head"]) == ("logreg", "ridge")
    assert abs(emotion["score"] - ridge["score"]) < 0.05
    assert abs(emotion["control"] - ridge["control"]) < 0.15
    duration = ("duration", EMOTION)
    assert found.loc[duration].equals(table.loc[duration])


def test_speakers_are_recognised_in_other_sentences(table):
    assert set(table.loc["speaker", "grouped_by"]) == {"sentence"}
    assert set(table.loc["emotion", "grouped_by"]) == {"speaker"}
    assert set(table.loc["speaker", "num_classes"]) == {6}


def test_a_column_of_the_manifest_is_a_target(store):
    opened = tokser.open_store(store)
    (age,) = read_targets(opened, ["age"])
    assert age.is_number
    found = probe_table(opened, [EMOTION], [age])
    assert found["metric"].tolist() == ["ccc"]
    assert found["n"].tolist() == [120]


def test_usual_targets_are_those_that_the_store_allows(store, stores):
    opened = tokser.open_store(store)
    assert usual_targets(opened) == ["emotion", "speaker", "sex", "sentence", "duration"]
    bare = stores.manifest(12).assign(label="", sex="", transcript="")
    assert usual_targets(stores.complete(bare)) == ["duration"]


def test_a_removed_label_leaves_out_its_utterance_alone(stores):
    table = stores.manifest(12)
    table.loc[table.index[0], ["label", "sex"]] = ""
    opened = stores.complete(table)
    assert {"emotion", "sex"} <= set(usual_targets(opened))
    for found in read_targets(opened, ["emotion", "sex"]):
        assert len(found.values) == 11 and opened.ids[0] not in found.values.index


def test_the_command_writes_table_and_curves(store, tmp_path):
    out = tmp_path / "probes"
    words = ["probe", "--store", store, "--targets", "emotion", "--out", str(out)]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert "emotion: 3 classes, n = 120, 6 speakers" in done.output
    written = PROBES.read(out / "probes.csv")
    assert written["feature"].tolist() == [NOISE, EMOTION, SPEAKER]
    assert "Targets shuffled" in (out / "probe-emotion.svg").read_text()
    made_by = json.loads((out / "provenance.json").read_text())
    assert made_by["stage"] == "probe"
    assert set(made_by["inputs"]) == {"dataset", NOISE, EMOTION, SPEAKER}
    page = tokser.report(out, out=tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"tokser probe --store {store} --targets emotion --out {out}" in page
    again = CliRunner().invoke(main, [*words, "--json"])
    rows = pd.DataFrame(json.loads(again.stdout)["probes"])
    pd.testing.assert_series_equal(rows["score"], written["score"])


def test_bad_input_is_named(store, stores):
    with pytest.raises(SettingsError, match="mood"):
        tokser.probe(store, targets="mood")
    with pytest.raises(SettingsError, match=r"tokser pool --store .* --acoustic"):
        tokser.probe(store, targets="f0")
    with pytest.raises(InputError, match="two different values"):
        tokser.probe(store, targets="language")
    two = stores.manifest(24).assign(speaker=lambda t: [f"s{i % 2}" for i in range(len(t))])
    small = stores.complete(two)
    pool(PoolSettings(store=small.path))
    with pytest.raises(InputError, match="at least 3 speakers"):
        tokser.probe(small.path, targets="emotion")
