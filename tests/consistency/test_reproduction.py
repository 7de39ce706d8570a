"""The targets `make reproduce-*`, dry: what they would run is whole, and says what it should."""

import shlex
import subprocess
from pathlib import Path

import click
import pytest

from tokser.cli import main
from tokser.pipeline import load_pipeline
from tokser.report.naming import published_label
from tokser.report.published import GRIDS, published_scores
from tokser.testing import write_reproduction_material

REPOSITORY = Path(__file__).resolve().parents[2]
DATASETS = ("emodb", "iemocap")


def commands(*arguments: str) -> list[list[str]]:
    """Return the tokser commands that a target would run."""
    printed = subprocess.run(
        ["make", "--dry-run", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.replace("\\\n", " ")
    lines = [shlex.split(line) for line in printed.splitlines() if "/tokser " in line]
    return [line[1:] for line in lines]


def pipeline_of(words: list[str]):
    assert words[0] == "run"
    overrides = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    return load_pipeline(REPOSITORY / words[1], overrides)


@pytest.mark.parametrize("dataset", DATASETS)
def test_everything_that_the_paper_ran_is_run(dataset):
    pipeline = load_pipeline(REPOSITORY / "pipelines" / f"reproduce-{dataset}.yaml")
    mine = [e for e in pipeline.extract if e.dataset == dataset]
    encoders = {name: e.layers for e in mine for name in e.encoders}
    assert encoders == {
        "openai/whisper-base": "all",
        "microsoft/wavlm-base": "all",
        "openai/whisper-large": "last",
        "bert-base-uncased": "last",
        "bert-base-multilingual-cased": "last",
    }
    assert {(p.speech, p.text) for p in pipeline.pretrain} == {
        (speech, text)
        for speech in ("whisper-base/layer-6", "whisper-large/layer-32")
        for text in ("bert-base-uncased/contextual", "bert-base-multilingual-cased/contextual")
    }
    grids = [(set(c.grid.batch_sizes), set(c.grid.learning_rates)) for c in pipeline.classify]
    assert grids == [(set(g.batch_sizes), set(g.learning_rates)) for g in GRIDS]
    assert all(c.protocols == ("random", "speaker") for c in pipeline.classify)
    assert all(p.epochs == 30 and p.learning_rate == 1e-4 for p in pipeline.pretrain)


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_row_of_table_3_has_a_feature_that_stands_for_it(dataset):
    pipeline = load_pipeline(REPOSITORY / "pipelines" / f"reproduce-{dataset}.yaml")
    teachers = {p.out.name: str(p.text) for p in pipeline.pretrain}
    features = ["whisper-base/layer-6", "wavlm-base/layer-12", *pipeline.classify[1].features]
    features += [*teachers.values(), *(f"{run}/aligned" for run in teachers)]
    labels = {published_label(feature, teachers) for feature in features}
    assert {row.features for row in published_scores(dataset)} <= labels


def test_both_share_stores_and_runs():
    emodb, iemocap = (
        load_pipeline(REPOSITORY / "pipelines" / f"reproduce-{dataset}.yaml")
        for dataset in DATASETS
    )
    assert emodb.pretrain == iemocap.pretrain
    assert emodb.extract[0] == iemocap.extract[0]


@pytest.mark.parametrize("kind", [[], ["SYNTHETIC=1"]], ids=["real", "synthetic"])
def test_table_3_is_both_and_a_page_of_all_their_results(kind):
    *_, emodb, iemocap, report = commands("reproduce-table3", *kind)
    pipelines = [pipeline_of(emodb), pipeline_of(iemocap)]
    results = [str(c.out) for pipeline in pipelines for c in pipeline.classify]
    runs = [str(p.out) for p in pipelines[0].pretrain]
    assert report[: 1 + len(results)] == ["report", *results]
    assert [report[i + 1] for i, word in enumerate(report) if word == "--run"] == runs
    main.get_command(click.Context(main), "report").make_context("report", report[1:])


def test_splits_precision_and_places_can_be_told():
    (words,) = commands(
        "reproduce-emodb", "SPLITS=train-clean-100 dev-clean", "PRECISION=bf16", "CORPORA=/data",
        "WORKSPACE=/scratch/w", "LARGE=openai/whisper-small", "LARGE_SPEECH=whisper-small/layer-12",
    )  # fmt: skip
    pipeline = pipeline_of(words)
    assert pipeline.extract[0].splits == ("train-clean-100", "dev-clean")
    assert all(e.precision == "bf16" for e in pipeline.extract)
    assert str(pipeline.extract[1].root) == "/data/emodb"
    assert pipeline.classify[0].store.startswith("/scratch/w/")
    assert "openai/whisper-small" in pipeline.extract[0].encoders


def test_the_synthetic_form_names_the_encoders_built_for_it(monkeypatch, tmp_path):
    from tokser.testing import demo_material

    monkeypatch.setattr(demo_material, "write_demo_corpora", lambda out: None)
    monkeypatch.setattr(demo_material, "_transcripts", lambda corpora: ["Guten Tag"])
    write_reproduction_material(tmp_path)
    built = {folder.name for folder in (tmp_path / "encoders").iterdir()}
    made, emodb = commands("reproduce-emodb", "SYNTHETIC=1")
    assert made[:2] == ["demo", "--only-material"]
    pipeline = pipeline_of(emodb)
    named = {Path(name).name for e in pipeline.extract for name in e.encoders}
    assert named == built
    assert pipeline.report is not None
    assert "mean nothing" in pipeline.report.caution
