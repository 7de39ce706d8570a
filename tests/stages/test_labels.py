"""Doubtful labels and decisions about them, as docs/doubtful-labels.md shows it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from click.testing import CliRunner

import tokser
from tokser.cli import main
from tokser.config import PoolSettings
from tokser.errors import InputError, MissingInputError, SettingsError, StoreMismatchError
from tokser.experiments.doubtful_labels.table import DOUBTFUL, LABEL_NOISE
from tokser.stages.pool import pool
from tokser.stages.update import update

NOISE, EMOTION = (f"whisper-tiny/layer-{number}" for number in range(2))
NUM, NUM_WRONG = 120, 6
WRONG = [f"utt{i:03d}" for i in range(0, NUM, NUM // NUM_WRONG)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("labels")


@pytest.fixture(scope="module")
def true_labels(store_factory, folder):
    return store_factory(folder).manifest(NUM)["label"]


@pytest.fixture(scope="module")
def store(store_factory, folder, true_labels):
    """Layer 0 is noise, layer 1 knows the true label; six labels are wrong; two can be played."""
    factory = store_factory(folder)
    table = factory.manifest(NUM)
    table["speaker"] = [f"s{(i // 3) % 6}" for i in range(NUM)]
    classes = sorted(set(true_labels))
    for name in WRONG:
        table.loc[name, "label"] = classes[(classes.index(true_labels[name]) + 1) % 3]
    plain = factory.rows

    def rows(plan, feature, position):
        found = plain(plan, feature, position).astype(np.float32)
        if feature == "layer-1":
            found[:, classes.index(true_labels.iloc[position])] += 2
        return found.astype(np.float16)

    factory.rows = rows
    opened = factory.complete(
        table, factory.plan(table, features={"layer-0": 8, "layer-1": 8}), dataset="toy"
    )
    pool(PoolSettings(store=opened.path))
    (folder / "root" / "wav").mkdir(parents=True)
    samples = np.random.default_rng(0).normal(0, 0.1, 4_000)
    for name in WRONG[:2]:
        soundfile.write(folder / "root" / "wav" / f"{name}.wav", samples, 16_000)
    return str(opened.path)


@pytest.fixture(scope="module")
def audit(store):
    return tokser.labels(store)


def test_planted_errors_come_first_with_the_true_label(audit, true_labels):
    first = audit.doubtful.head(NUM_WRONG)
    assert sorted(first["id"]) == sorted(WRONG)
    assert first["suggested_label"].tolist() == true_labels.loc[first["id"]].tolist()
    assert first["flagged_by"].str.contains("neighbours").all()
    assert first["num_flags"].ge(2).sum() >= NUM_WRONG - 2
    assert len(audit.doubtful) == NUM


def test_dev_selects_the_layer_that_knows(audit):
    assert audit.features == (EMOTION,)
    assert audit.model.endswith("best(whisper-tiny/layer-0..1), leave one speaker out")


def test_noise_is_estimated_by_pair_of_classes(audit):
    assert NUM_WRONG / 2 < audit.expected_errors < 3 * NUM_WRONG
    assert len(audit.noise) == 6
    assert "annotators" not in audit.num_flagged


def test_speakers_dealt_into_folds_find_them_too(store):
    found = tokser.labels(store, features=EMOTION, protocol="kfold", num_folds=3, num_neighbours=5)
    assert set(found.doubtful["id"].head(NUM_WRONG)) == set(WRONG)
    assert "speakers distributed over 3 folds" in found.model


@pytest.fixture(scope="module")
def results(store, folder):
    options = {"features": f"{EMOTION}, best({NOISE}, {EMOTION})", "out": folder / "results"}
    tokser.classify(store, protocol="speaker,random", head="logreg,svm", **options)
    return folder / "results"


def test_predictions_of_results_say_the_same(results, store, audit):
    found = tokser.labels(results=results, features=EMOTION, head="logreg", protocol="speaker")
    alone = tokser.labels(store, features=EMOTION)
    pd.testing.assert_frame_equal(found.doubtful, alone.doubtful)
    assert str(results) in found.model


def test_without_a_name_dev_chooses_among_the_results(results):
    found = tokser.labels(results=results)
    assert found.features == (EMOTION,)
    assert "protocol speaker" in found.model
    assert len(set(found.doubtful["id"].head(NUM_WRONG)) & set(WRONG)) >= NUM_WRONG - 1


def test_utterances_in_no_test_part_are_left_out(results, capsys):
    found = tokser.labels(results=results, protocol="random", num_neighbours=3)
    assert len(found.doubtful) == NUM // 10
    assert "108 of 120 utterances with a label were in no test part" in capsys.readouterr().err


def test_the_command_writes_tables_and_a_page(store, folder, audit):
    out = folder / "audit"
    words = ["labels", "--store", store, "--root", str(folder / "root"), "--listed", "5"]
    done = CliRunner().invoke(main, [*words, "--audio", "4", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "120 labels; flagged: " in done.output
    assert "4 recordings add about" in done.output
    assert "2 of 4 recordings cannot be played" in done.output
    written = DOUBTFUL.read(out / "doubtful.csv")
    pd.testing.assert_frame_equal(written, audit.doubtful, check_dtype=False)
    assert len(LABEL_NOISE.read(out / "label-noise.csv")) == 6
    page = (out / "doubtful.html").read_text()
    assert page.count("<article") == 5
    assert page.count("data:audio/ogg;base64,") == 2
    assert page.count("no such file") == 2
    assert json.loads((out / "provenance.json").read_text())["inputs"]["dataset"] == "toy"


def test_as_json_everything_is_one_object(store):
    done = CliRunner().invoke(main, ["labels", "--store", store, "--features", EMOTION, "--json"])
    told = json.loads(done.stdout)
    assert set(told) == {"doubtful", "label_noise", "expected_errors", "flagged"}
    assert told["doubtful"][0]["annotators_share"] is None


def test_the_report_shows_the_folder(store, tmp_path):
    tokser.labels(store, features=EMOTION, out=tmp_path / "audit", audio=0)
    page = tmp_path / "report.html"
    tokser.report(tmp_path / "audit", out=page)
    text = page.read_text()
    assert "toy: doubtful labels" in text
    assert "Label noise" in text
    assert "tokser labels --store" in text


def test_decisions_go_into_a_new_manifest_and_the_store(store, folder, true_labels, tmp_path):
    copy = tmp_path / "copy.zarr"
    shutil.copytree(store, copy)
    now = tokser.open_store(copy).utterances["label"]
    decisions = tmp_path / "decisions.csv"
    lines = [f"{name},{now[name]},change,{true_labels[name]}" for name in WRONG[:-1]]
    lines.append(f"{WRONG[-1]},{now[WRONG[-1]]},remove,")
    decisions.write_text("\n".join(["id,label,decision,new_label", *lines]))
    out = tmp_path / "corrected.csv"
    words = ["relabel", str(decisions), "--store", str(copy), "--out", str(out)]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert "5 labels changed, 1 removed, 0 kept" in done.output
    about = json.loads(Path(f"{out}.provenance.json").read_text())
    assert about["stage"] == "relabel"
    change = update(str(copy), out).change
    assert sorted(change.changed["label"]) == WRONG
    labels = tokser.open_store(copy).utterances["label"]
    assert (labels.drop(WRONG[-1]) == true_labels.drop(WRONG[-1])).all()
    assert labels[WRONG[-1]] == ""
    assert len(tokser.labels(copy, features=EMOTION).doubtful) == NUM - 1
    again = CliRunner().invoke(main, words)
    assert again.exit_code == 2
    assert "manifests are never overwritten" in again.output


def test_a_manifest_file_is_relabelled_as_well(store, tmp_path):
    manifest = tmp_path / "m.csv"
    manifest.write_text(tokser.open_store(store).manifest_text)
    before = manifest.read_bytes()
    label = tokser.open_store(store).utterances["label"]["utt001"]
    (tmp_path / "d.csv").write_text(f"id,label,decision,new_label\nutt001,{label},keep,\n")
    out = tokser.relabel(tmp_path / "d.csv", manifest=manifest, out=tmp_path / "new.csv")
    assert "decision" in out.read_text().splitlines()[0]
    assert manifest.read_bytes() == before
    with pytest.raises(SettingsError, match="one of both, got none"):
        tokser.relabel(tmp_path / "d.csv", out=tmp_path / "other.csv")
    with pytest.raises(MissingInputError, match="no such file"):
        tokser.relabel(tmp_path / "d.csv", manifest=tmp_path / "x.csv", out=tmp_path / "o.csv")


def test_results_of_other_labels_or_utterances_are_refused(results, store, stores, tmp_path):
    copy = tmp_path / "copy.zarr"
    shutil.copytree(store, copy)
    opened = tokser.open_store(copy)
    text = opened.manifest_text.replace(",sadness,", ",anger,", 1)
    (tmp_path / "m.csv").write_text(text)
    update(str(copy), tmp_path / "m.csv")
    with pytest.raises(
        StoreMismatchError, match=r"sadness, now anger.*run `tokser classify` again"
    ):
        tokser.labels(copy, results=results)
    few = stores.complete(stores.manifest(24), name="few.zarr", dataset="toy")
    with pytest.raises(StoreMismatchError, match="96 others: utt024"):
        tokser.labels(few.path, results=results)


def test_labels_that_are_none_of_the_classes_are_refused(results, store, tmp_path):
    folder = tmp_path / "results"
    shutil.copytree(results, folder)
    (folder / "SHA256SUMS").unlink()
    (folder / "begun.json").unlink()
    predictions = pd.read_parquet(folder / "predictions.parquet")
    predictions.drop(columns="probability_anger").to_parquet(folder / "predictions.parquet")
    with pytest.raises(InputError, match="none of the classes neutral, sadness: anger"):
        tokser.labels(store, results=folder)


def test_unknown_names_in_results_are_listed(results, tmp_path):
    with pytest.raises(SettingsError, match=r"--head.*one of logreg, svm"):
        tokser.labels(results=results, head="mlp")
    with pytest.raises(SettingsError, match="--features"):
        tokser.labels(results=results, features="whisper-tiny/layer-9")
    with pytest.raises(MissingInputError, match=r"provenance\.json"):
        tokser.labels(results=tmp_path)


def test_bad_input_is_named(store, stores, tmp_path):
    with pytest.raises(SettingsError, match="neither"):
        tokser.labels()
    with pytest.raises(SettingsError, match=r"--head mlp.*--results"):
        tokser.labels(store, head="mlp")
    with pytest.raises(SettingsError, match=r"one expression.*got 2"):
        tokser.labels(store, features="whisper-tiny/layer-*")
    with pytest.raises(InputError, match="--neighbours 101"):
        tokser.labels(store, features=EMOTION, num_neighbours=101)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SettingsError, match="other files"):
        tokser.labels(store, out=tmp_path)


@pytest.mark.parametrize(
    ("column", "value", "fault"),
    [
        ("label", "anger", "at least two classes, got anger"),
        ("speaker", "s0", "at least 3 speakers, and none unknown.*got 1"),
        ("speaker", "", "utterances without a speaker: utt000"),
    ],
)
def test_one_class_or_one_speaker_is_too_few(stores, column, value, fault):
    table = stores.manifest(24).assign(**{column: value})
    opened = stores.complete(table)
    pool(PoolSettings(store=opened.path))
    with pytest.raises(InputError, match=fault):
        tokser.labels(opened.path, num_neighbours=3)
