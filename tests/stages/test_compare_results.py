"""Several results folders side by side, as docs/compare-results.md shows it."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import tokser
from tokser.checksummed_folder import ChecksummedFolder
from tokser.cli import main
from tokser.config import ClassifySettings, PoolSettings, ReportSettings
from tokser.errors import InputError, MissingInputError, SettingsError
from tokser.stages.classify import classify
from tokser.stages.pool import pool
from tokser.stages.report import report

CLEAR, NOISE = "whisper-tiny/layer-1", "whisper-tiny/layer-0"


@pytest.fixture(scope="module")
def make(store_factory, tmp_path_factory):
    """Makes results of one corpus, whose layer 1 knows the label as well as it is told."""
    root = tmp_path_factory.mktemp("compare")
    factory = store_factory(root)
    table = factory.manifest(72)
    table["speaker"] = [f"s{i % 6}" for i in range(72)]
    labels = sorted(table["label"].unique())
    table["label"] = [labels[(i // 6) % 3] for i in range(72)]
    plain = factory.rows

    def make(name, strength=2.0, *, table=table, store="", **settings):
        def rows(plan, feature, position):
            found = plain(plan, feature, position).astype(np.float32)
            if feature == "layer-1":
                label = labels.index(table.iloc[position]["label"])
                found += np.random.default_rng([3, position]).normal(size=4)
                found[:, label] += strength
            return found.astype(np.float16)

        factory.rows = rows
        store = store or f"{name}.zarr"
        path = root / store
        if not path.exists():
            context = settings.pop("context", "pad")
            features = {"layer-0": 4, "layer-1": 4}
            plan = factory.plan(table, features=features, context=context)
            pool(PoolSettings(store=factory.complete(table, plan, name=store).path))
        told = {"features": (CLEAR, NOISE), "protocols": ("speaker",), "heads": ("logreg",)}
        out = root / "results" / name
        classify(ClassifySettings(dataset="emodb", store=str(path), out=out, **told | settings))
        return out

    make.table, make.root = table, root
    return make


@pytest.fixture(scope="module")
def weak(make):
    return make("weak", 0.5, context="fit")


@pytest.fixture(scope="module")
def strong(make):
    return make("strong", 3.0)


@pytest.fixture(scope="module")
def found(weak, strong):
    return tokser.compare_results(weak, strong)


def test_only_what_differs_is_shown(found):
    rows = found.settings.set_index(["kind", "name"])
    assert rows.loc[("features", "whisper-tiny: context")].tolist() == ["fit", "pad"]
    assert ("data", "whisper-tiny") in rows.index
    assert ("setting", "store") in rows.index
    assert len(rows) == 3


def test_scores_are_those_of_the_folders(found, weak, strong):
    scores = found.scores.set_index(["configuration", "folder"])
    for folder in (weak, strong):
        own = tokser.load_results(folder).scores.set_index("features")
        for feature in (CLEAR, NOISE):
            row = scores.loc[f"{feature}, logreg", folder.name]
            assert row["uar"] == pytest.approx(own.loc[feature, "uar"])
            assert row["low"] == pytest.approx(own.loc[feature, "uar_low"])
            assert row["n"] == 72


def test_the_same_swap_test_as_within_a_folder(found):
    tests = found.tests.set_index("configuration")
    better = tests.loc[f"{CLEAR}, logreg"]
    assert (better["first"], better["second"]) == ("weak", "strong")
    assert better["difference"] < -0.2
    assert better["p"] == 2 / 2**6
    assert better["p_adjusted"] >= better["p"]
    assert better["unit"] == "speaker"
    same = tests.loc[f"{NOISE}, logreg"]
    assert same["difference"] == 0
    assert same["p"] == 1


def test_dev_chooses_the_best_of_each_folder(make, strong):
    other = make("svm", store="strong.zarr", heads=("svm",))
    found = tokser.compare_results(strong, other)
    assert found.scores["configuration"].unique().tolist() == ["chosen on dev"]
    assert all(one.startswith("best(") for one in found.scores["label"])
    rows = found.settings.set_index("name")
    assert rows.loc["classifiers"].tolist() == ["setting", "logreg", "svm"]


def test_unequal_test_sets_are_compared_on_common_ones(make, strong):
    fewer = make.table.iloc[:60]
    other = make("fewer", 3.0, table=fewer)
    found = tokser.compare_results(strong, other)
    assert set(found.scores["n"]) == {60}
    assert found.families[0].num_test == {"strong": 72, "fewer": 60}
    out = make.root / "tables"
    tokser.compare_results(strong, other, out=out, formats=["md", "csv"])
    text = (out / "compare-speaker-scores.md").read_text()
    assert "n = 60 test utterances that all configurations of the table predicted" in text
    assert "strong 72, fewer 60" in text


def test_seeds_are_paired_or_one_stands_for_all(make, strong):
    other = make("seeds", store="strong.zarr", protocols=("random",), num_seeds=2)
    single = make("seed", store="strong.zarr", protocols=("random",), standardise="speaker")
    found = tokser.compare_results(other, single)
    assert set(found.scores["num_seeds"]) == {1}
    moved = make("moved", store="strong.zarr", protocols=("random",), seed=7, num_seeds=2)
    found = tokser.compare_results(other, moved)
    assert found.scores.empty
    assert "other seeds" in found.families[0].problem
    assert tokser.compare_results(strong, moved).families == []


def test_without_the_store_folds_name_the_speakers(weak, strong, make):
    moved = []
    for folder in (weak, strong):
        copy = make.root / "moved" / folder.name
        shutil.copytree(folder, copy)
        provenance = json.loads((copy / "provenance.json").read_text())
        provenance["settings"]["store"] = "/nowhere/emodb.zarr"
        ChecksummedFolder(copy).put({"provenance.json": json.dumps(provenance).encode()})
        moved.append(copy)
    found = tokser.compare_results(*moved)
    tests = found.tests.set_index("configuration")
    assert tests.loc[f"{CLEAR}, logreg", "p"] == 2 / 2**6
    assert set(found.settings["kind"]) == {"data"}


def test_three_folders_are_compared_in_pairs(weak, strong, make):
    third = make("third", store="strong.zarr", refit=False)
    found = tokser.compare_results(weak, strong, third)
    pairs = found.tests[found.tests["configuration"] == f"{CLEAR}, logreg"]
    assert len(pairs) == 3
    assert found.settings.set_index("name").loc["refit"].tolist()[1:] == ["yes", "yes", "no"]


@pytest.mark.slow
def test_the_command_prints_every_format(weak, strong, tmp_path):
    words = ["compare-results", str(weak), str(strong)]
    shown = CliRunner().invoke(main, words)
    assert shown.exit_code == 0, shown.output
    for text in ("what differs", "p (max-t)", "Evaluations of the same"):
        assert text in " ".join(shown.output.split())
    printed = CliRunner().invoke(main, [*words, "--format", "latex"])
    assert "\\begin{tabular}" in printed.output
    rows = json.loads(CliRunner().invoke(main, [*words, "--json"]).stdout)
    assert set(rows) == {"settings", "scores", "tests"}
    written = CliRunner().invoke(main, [*words, "--out", str(tmp_path / "tables")])
    assert written.exit_code == 0, written.output
    sets = pd.read_csv(tmp_path / "tables" / "compare-test-sets.csv", comment="#")
    assert sets["Folder"].tolist() == ["weak", "strong", "all"]
    assert sets["Test sets"].tolist() == [6, 6, 6]


@pytest.mark.slow
def test_the_page_shows_settings_that_differ(weak, strong, tmp_path):
    report(ReportSettings(results=(weak, strong), out=tmp_path / "two.html"))
    report(ReportSettings(results=(weak,), out=tmp_path / "one.html"))
    assert "Settings that differ" in (tmp_path / "two.html").read_text()
    assert "Settings that differ" not in (tmp_path / "one.html").read_text()


def test_folders_that_cannot_be_compared_are_named(make, strong, weak, tmp_path):
    with pytest.raises(SettingsError, match="at least two different results folders"):
        tokser.compare_results(strong, strong)
    with pytest.raises(MissingInputError, match="nowhere"):
        tokser.compare_results(strong, tmp_path / "nowhere")
    other = shutil.copytree(weak, tmp_path / "nemo")
    for name in ("results.csv", "summary.csv"):
        text = (other / name).read_text().replace("emodb,", "nemo,")
        ChecksummedFolder(other).put({name: text.encode()})
    with pytest.raises(InputError, match="classification of emodb; classification of nemo"):
        tokser.compare_results(strong, other)
    first, second, *_ = sorted(set(make.table["label"]))
    swapped = {first: second, second: first}
    table = make.table.assign(label=make.table["label"].replace(swapped))
    with pytest.raises(InputError, match="the same label of every utterance"):
        tokser.compare_results(strong, make("renamed", 3.0, table=table))
