"""How alike features are, as docs/similarity.md shows it."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import tokser
from tokser.cli import main
from tokser.config import PoolSettings, SimilaritySettings
from tokser.errors import InputError, SettingsError
from tokser.experiments.similarity.table import SIMILARITY
from tokser.stages.pool import pool
from tokser.stages.similarity import similarity


@pytest.fixture(scope="module")
def store(store_factory, tmp_path_factory):
    """Two layers of which one is a rotation of the other, one that is noise, and a text."""
    factory = store_factory(tmp_path_factory.mktemp("similarity"))
    table = factory.manifest(48)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0]
    plain = factory.rows

    def rows(plan, feature, position):
        if feature != "layer-2":
            return plain(plan, feature, position)
        return (3 * plain(plan, "layer-1", position) @ rotation).astype(np.float16)

    factory.rows = rows
    speech = factory.plan(table, features={"layer-1": 6, "layer-2": 6, "layer-3": 6})
    text = factory.plan(
        table, name="bert-tiny", features={"contextual": 4}, kind="text", lengths=np.full(48, 5)
    )
    opened = factory.complete(table, speech, text)
    pool(PoolSettings(store=opened.path))
    return opened.path


@pytest.fixture(scope="module")
def table(store):
    return similarity(SimilaritySettings(store=store)).set_index(["over", "first", "second"])


ONE, SAME, NOISE = (f"whisper-tiny/layer-{number}" for number in (1, 2, 3))


@pytest.mark.parametrize("over", ["utterances", "frames"])
def test_a_rotated_layer_is_the_same_and_noise_is_not(table, over):
    assert table.loc[(over, ONE, SAME), "cka"] == pytest.approx(1, abs=1e-3)
    assert table.loc[(over, ONE, SAME), "r2"] > 0.99
    assert abs(table.loc[(over, ONE, NOISE), "cka"]) < 0.2
    assert table.loc[(over, ONE, NOISE), "r2"] < 0.1


def test_features_of_other_frames_share_utterances_only(table):
    pairs = table.reset_index()
    text = pairs[pairs["second"] == "bert-tiny/contextual"]
    assert set(text["over"]) == {"utterances"}
    assert table.loc[("utterances", ONE, ONE), "num_samples"] == 48


def test_frames_are_spread_evenly_and_counted(store):
    lengths = tokser.open_store(store)[ONE].lengths
    found = tokser.similarity(store, features=f"{ONE},{NOISE}", frames_per_utterance=3)
    over_frames = found[found["over"] == "frames"]
    assert set(over_frames["num_samples"]) == {int(lengths.clip(upper=3).sum())}


def test_the_command_writes_table_and_heat_maps(store, tmp_path):
    out = tmp_path / "similarity"
    words = ["similarity", "--store", store, "--features", "whisper-tiny/layer-*"]
    done = CliRunner().invoke(main, [*words, "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "most like" in done.output
    written = SIMILARITY.read(out / "similarity.csv")
    assert set(written["first"]) == {ONE, SAME, NOISE}
    picture = (out / "similarity-frames.svg").read_text()
    assert "1.00" in picture
    page = tokser.report(out, out=tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"tokser similarity --store {store}" in page
    again = CliRunner().invoke(main, [*words, "--out", str(out), "--json"])
    rows = pd.DataFrame(json.loads(again.stdout)["similarity"])
    pd.testing.assert_series_equal(rows["cka"], written["cka"])


def test_bad_input_is_named(store, stores, tmp_path):
    with pytest.raises(SettingsError, match="at least 2 of"):
        similarity(SimilaritySettings(store=store, features=(ONE,)))
    with pytest.raises(SettingsError, match="layer-9"):
        similarity(SimilaritySettings(store=store, features=(ONE, "whisper-tiny/layer-9")))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(SettingsError, match="other files"):
        similarity(SimilaritySettings(store=store, out=tmp_path / "mine"))
    few = stores.manifest(5)
    small = stores.complete(few, stores.plan(few, features={"layer-1": 3, "layer-2": 3}))
    pool(PoolSettings(store=small.path))
    with pytest.raises(InputError, match="at least 8 utterances"):
        similarity(SimilaritySettings(store=small.path))
