"""How scores grow with speakers and utterances, as docs/scaling.md shows it."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import tokser
from tokser.cli import main
from tokser.config import GridSettings, PoolSettings, ScalingSettings
from tokser.errors import InputError, SettingsError
from tokser.experiments.scaling.table import FITS, SCALING
from tokser.report.scaling_tables import scaling_tables
from tokser.stages.pool import pool
from tokser.stages.report import ReportSettings, report
from tokser.stages.scaling import scaling

FEATURE, NOISE = "whisper-tiny/layer-1", "whisper-tiny/layer-0"


@pytest.fixture(scope="module")
def store(store_factory, tmp_path_factory):
    """Layer 1 knows label and mood, blurred and shifted by speaker; layer 0 is noise."""
    factory = store_factory(tmp_path_factory.mktemp("scaling"))
    table = factory.manifest(144)
    table["speaker"] = [f"s{i % 8}" for i in range(len(table))]
    labels = sorted(table["label"].unique())
    table["label"] = [labels[(i // 8) % 3] for i in range(len(table))]
    rng = np.random.default_rng(0)
    shift = {name: rng.normal(size=8) for name in sorted(table["speaker"].unique())}
    table["mood"] = [labels.index(one) + 0.3 * rng.normal() for one in table["label"]]
    plain = factory.rows

    def rows(plan, feature, position):
        found = plain(plan, feature, position).astype(np.float32)
        if feature == "layer-1":
            row = table.iloc[position]
            found += rng_of(position) + 0.7 * shift[row["speaker"]]
            found[:, labels.index(row["label"])] += 2.5
        return found.astype(np.float16)

    def rng_of(position):
        return np.random.default_rng([7, position]).normal(size=8)

    factory.rows = rows
    plan = factory.plan(table, features={"layer-0": 8, "layer-1": 8})
    opened = factory.complete(table, plan)
    pool(PoolSettings(store=opened.path))
    return opened.path


@pytest.fixture(scope="module")
def found(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("scaling-out") / "scaling"
    sizes = {"num_speakers": (1, 2, 4, 6), "num_utterances": (3, 6, 12, 18)}
    settings = ScalingSettings(
        store=store, out=out, num_draws=2, protocol="kfold", num_folds=4, **sizes
    )
    return settings, scaling(settings)


@pytest.fixture(scope="module")
def scores(found):
    return found[1].scores.set_index(["features", "varied", "size"])


def test_more_speakers_and_utterances_score_higher(scores):
    for varied in ("speakers", "utterances"):
        curve = scores.loc[FEATURE, varied]["score"]
        assert curve.iloc[-1] > curve.iloc[0]
        assert curve.iloc[-1] > 0.6
    assert (scores.loc[NOISE]["score"] - 1 / 3).abs().max() < 0.2


def test_both_curves_end_at_all_training_utterances(scores):
    ends = [scores.loc[FEATURE, varied].iloc[-1] for varied in ("speakers", "utterances")]
    for name in ("num_train", "num_speakers", "score"):
        assert ends[0][name] == ends[1][name]
    assert ends[0]["num_train"] == 108
    assert ends[0]["draw_std"] == 0


@pytest.mark.slow
def test_the_whole_corpus_scores_as_classify_does(store, scores, tmp_path):
    done = tokser.classify(
        store, features=FEATURE, protocols="kfold", num_folds=4, heads="logreg",
        out=tmp_path / "all",
    )  # fmt: skip
    row = done.scores.iloc[0]
    assert scores.loc[FEATURE, "speakers", 6]["score"] == pytest.approx(row["uar"], abs=0.01)


def test_intervals_hold_the_score_and_count_the_draws(scores):
    assert (scores["low"] < scores["score"]).all()
    assert (scores["score"] < scores["high"]).all()
    assert set(scores["num_draws"]) == {2}
    assert set(scores["num_subsets"]) == {2 * 4}
    assert set(scores["unit"]) == {"speaker"}


def test_each_curve_has_a_power_law_or_the_reason_why_not(found):
    fits = found[1].fits.set_index(["features", "varied"])
    assert len(fits) == 4
    assert (fits["score_at_double"].notna() | fits["not_identified"].ne("")).all()
    assert fits.loc[FEATURE, "speakers"]["largest"] == 6
    noise = fits.loc[NOISE, "speakers"]
    assert noise["not_identified"].startswith("flat")
    assert np.isnan(noise["score_at_double"])


def test_what_is_there_is_not_trained_again(found, monkeypatch):
    settings, before = found
    from tokser.experiments.scaling.train import SubsetTrainer

    def refuse(self, unit, on_models):
        raise AssertionError(f"{unit} is trained again")

    monkeypatch.setattr(SubsetTrainer, "run", refuse)
    again = scaling(settings)
    pd.testing.assert_frame_equal(again.scores, before.scores)
    pd.testing.assert_frame_equal(again.fits, before.fits)
    (settings.out / SCALING.file).unlink()
    scaling(settings)
    pd.testing.assert_frame_equal(SCALING.read(settings.out / SCALING.file), before.scores)
    with pytest.raises(SettingsError, match="num_draws"):
        scaling(settings.model_copy(update={"num_draws": 3}))


def test_a_damaged_part_is_trained_again(found, recwarn):
    settings, before = found
    part = sorted((settings.out / "parts").glob("*.parquet"))[0]
    part.write_bytes(b"damaged")
    pd.testing.assert_frame_equal(scaling(settings).scores, before.scores)


def test_the_ledger_says_at_which_sizes_it_was_tested(found):
    lines = (found[0].out / "ledger.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    configurations = {(one["features"], one["seed"], one["fold"]) for one in entries}
    assert len(configurations) == 2 * 2 * 4
    assert entries[0]["configuration"]["scaling"]["speakers"] == [1, 2, 4, 6]


@pytest.mark.slow
def test_the_page_shows_curves_and_power_laws(found, tmp_path):
    page = tmp_path / "page.html"
    report(ReportSettings(results=(found[0].out,), out=page))
    text = page.read_text()
    assert "More training speakers" in text
    assert "power law over speakers" in text
    curves = (
        found[1]
        .scores.replace({"features": NOISE}, "third")
        .pipe(lambda own: pd.concat([own[own["features"] == "third"], found[1].scores]))
    )
    first, *_ = scaling_tables(curves, found[1].fits)
    assert [row[0] for row in first.rows] == ["third", NOISE, FEATURE]
    assert [column.name for column in first.columns[1:]] == ["1", "2", "4", "6"]
    assert "tokser scaling --store" in text


@pytest.mark.slow
def test_the_command_writes_tables_and_figures(store, tmp_path):
    out = tmp_path / "scaling"
    words = ["scaling", "--store", store, "--features", FEATURE, "--draws", "2", "--out", str(out)]
    words += ["--protocol", "kfold", "--folds", "3", "--speakers", "1,2,3,5", "--utterances", "3,9"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert "training speakers, each with all utterances" in " ".join(done.output.split())
    assert "2 sizes, a fit needs 4" in " ".join(done.output.split())
    assert set(SCALING.read(out / SCALING.file)["num_folds"]) == {3}
    assert FITS.read(out / FITS.file)["num_sizes"].tolist() == [4, 2]
    assert "Training speakers" in (out / "scaling-speakers.svg").read_text()
    again = CliRunner().invoke(main, [*words, "--json"])
    rows = pd.DataFrame(json.loads(again.stdout)["scaling"])
    assert rows["score"].tolist() == SCALING.read(out / SCALING.file)["score"].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("head", ["ridge", "linear"])
def test_numbers_are_scored_by_ccc_whatever_the_head(store, head):
    grid = GridSettings(batch_sizes=(16,), learning_rates=(1e-2,), epochs=15)
    found = scaling(
        ScalingSettings(
            store=store, features=(FEATURE,), targets=("mood",), head=head, grid=grid,
            num_draws=2, num_speakers=(2, 5), num_utterances=(6,), device="cpu", protocol="kfold",
            num_folds=3,
        )
    )  # fmt: skip
    assert set(found.scores["metric"]) == {"ccc"}
    curve = found.scores[found.scores["varied"] == "speakers"].set_index("size")["score"]
    assert curve[5] > 0.2


@pytest.mark.slow
def test_a_head_that_selects_takes_dev_from_the_subset(store):
    found = tokser.scaling(
        store, features=FEATURE, head="svm", num_draws=2, num_speakers="2,5", num_utterances="6",
        protocol="kfold", num_folds=3,
    )  # fmt: skip
    assert found.scores["score"].iloc[1] > 0.5
    assert found.scores["head"].tolist() == ["svm"] * 3


def test_a_head_with_nothing_to_select_is_fitted_once(store, monkeypatch):
    def refuse(*args, **options):
        raise AssertionError("a dev part was drawn")

    monkeypatch.setattr("tokser.experiments.scaling.train.search", refuse)
    found = scaling(
        ScalingSettings(
            store=store, features=(FEATURE,), num_draws=2, num_speakers=(2, 5),
            num_utterances=(6,), protocol="kfold", num_folds=3,
        )
    )  # fmt: skip
    assert found.scores["head"].tolist() == ["logreg"] * 3


def test_bad_input_is_named(store, stores):
    with pytest.raises(SettingsError, match="Name their members"):
        tokser.scaling(store, features=f"mean({FEATURE}, {NOISE})")
    with pytest.raises(InputError, match="at most 7, the training speakers"):
        tokser.scaling(store, features=FEATURE, num_speakers="3,8")
    with pytest.raises(InputError, match="at most 18, the utterances"):
        tokser.scaling(store, features=FEATURE, num_utterances="30")
    with pytest.raises(SettingsError, match="none of mlp, linear"):
        tokser.scaling(store, head="ridge")


@pytest.mark.parametrize(
    ("speakers", "message"),
    [(1, "at least 3 of them"), (2, "at least 3 of them"), (0, "no speaker of")],
    ids=["one", "two", "unknown"],
)
def test_a_corpus_of_too_few_speakers_is_refused(stores, speakers, message):
    table = stores.manifest(24)
    table["speaker"] = [f"s{i % speakers}" if speakers else "" for i in range(24)]
    small = stores.complete(table)
    pool(PoolSettings(store=small.path))
    with pytest.raises(InputError, match=message):
        tokser.scaling(small.path)


def test_subsets_without_a_class_are_counted_or_refused(stores, caplog):
    table = stores.manifest(60)
    table["speaker"] = [f"s{i % 6}" for i in range(60)]
    table["label"] = ["joy" if i % 2 else "anger" for i in range(60)]
    lonely = stores.complete(table, name="lonely.zarr")
    pool(PoolSettings(store=lonely.path))
    with pytest.raises(InputError, match=r"only \w+ in one of 1 speakers.*out: --speakers \d"):
        tokser.scaling(lonely.path)
    table["label"] = [
        ["joy", "anger", "fear"][i // 6 % 3 if i % 6 == 0 else i // 6 % 2] for i in range(60)
    ]
    some = stores.complete(table, name="some.zarr")
    pool(PoolSettings(store=some.path))
    found = tokser.scaling(some.path, num_draws=2)
    assert "lack a class, which they never predict: fear" in caplog.text
    counts = found.scores[found.scores["varied"] == "speakers"]["num_lacking"]
    assert counts.iloc[0] > counts.iloc[-1]
