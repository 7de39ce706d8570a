"""Every shipped pipeline loads, and says in its header how to run it."""

from pathlib import Path

import pytest

from tokser.pipeline import load_pipeline

REPOSITORY = Path(__file__).resolve().parents[2]
PIPELINES = sorted((REPOSITORY / "pipelines").glob("*.yaml"))


@pytest.mark.parametrize("file", PIPELINES, ids=lambda file: file.name)
def test_it_loads_and_is_named_after_its_file(file):
    assert load_pipeline(file).name == file.stem


@pytest.mark.parametrize("file", PIPELINES, ids=lambda file: file.name)
def test_its_header_names_command_needs_and_size(file):
    header = [line for line in file.read_text().splitlines() if line.startswith("#")]
    text = "\n".join(header)
    assert file.read_text().startswith("#")
    assert "tokser run" in text or "tokser demo" in text
    assert "Needs" in text
    assert any(unit in text for unit in ("GB", "MB"))


@pytest.mark.parametrize("file", PIPELINES, ids=lambda file: file.name)
def test_what_a_stage_reads_an_earlier_one_wrote(file):
    pipeline = load_pipeline(file)
    written = {extraction.store for extraction in pipeline.extract}
    runs = {pretraining.out for pretraining in pipeline.pretrain}
    pooled = {pooling.store for pooling in pipeline.pool}
    for pretraining in pipeline.pretrain:
        assert pretraining.store in written
    for alignment in pipeline.align:
        assert alignment.store in written
        assert alignment.checkpoint in runs
    assert pooled <= written
    experiments = [*pipeline.classify, *pipeline.regress]
    for experiment in experiments:
        assert experiment.store in pooled
    if pipeline.report:
        assert set(pipeline.report.results) <= {experiment.out for experiment in experiments}
        assert set(pipeline.report.runs) <= runs
