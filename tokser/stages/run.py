"""Run a declared pipeline, stage by stage; each stage skips what is done."""

from pathlib import Path

from tokser.pipeline import Pipeline
from tokser.progress import say

__all__ = ["PipelineResult", "run_pipeline"]


class PipelineResult:
    """What a pipeline left behind.

    Attributes:
        quarantined: Reasons, by store and id, of the quarantined utterances.
        results: Output folders of `classify`, `transfer` and `tune`.
        regressions: Output folders of `regress`.
        report: The report's page, if the pipeline makes one.
    """

    def __init__(self) -> None:
        self.quarantined: dict[str, dict[str, str]] = {}
        self.results: list[Path] = []
        self.regressions: list[Path] = []
        self.report: Path | None = None


def run_pipeline(pipeline: Pipeline) -> PipelineResult:
    """Run all stages of a pipeline in order.

    Raises:
        TokserError: Whatever the stage at fault says; what was done before stays done.
    """
    result = PipelineResult()
    _heading(pipeline, "extract", len(pipeline.extract))
    for extraction in pipeline.extract:
        from tokser.stages.extract import extract

        done = extract(extraction)
        result.quarantined[done.store] = done.quarantined
    _heading(pipeline, "pretrain", len(pipeline.pretrain))
    for pretraining in pipeline.pretrain:
        from tokser.stages.pretrain import pretrain

        pretrain(pretraining)
    _heading(pipeline, "align", len(pipeline.align))
    for alignment in pipeline.align:
        from tokser.stages.align import align

        align(alignment)
    _heading(pipeline, "pool", len(pipeline.pool))
    for pooling in pipeline.pool:
        from tokser.stages.pool import pool

        pool(pooling)
    _heading(pipeline, "classify", len(pipeline.classify))
    for classification in pipeline.classify:
        from tokser.stages.classify import classify

        result.results.append(classify(classification))
    _heading(pipeline, "transfer", len(pipeline.transfer))
    for across in pipeline.transfer:
        from tokser.stages.transfer import transfer

        result.results.append(transfer(across))
    _heading(pipeline, "regress", len(pipeline.regress))
    for regression in pipeline.regress:
        from tokser.stages.regress import regress

        result.regressions.append(regress(regression))
    _heading(pipeline, "tune", len(pipeline.tune))
    for tuning in pipeline.tune:
        from tokser.stages.tune import tune

        result.results.append(tune(tuning))
    if pipeline.report is not None:
        from tokser.stages.report import report

        _heading(pipeline, "report", 1)
        result.report = report(pipeline.report)[0]
    return result


def _heading(pipeline: Pipeline, stage: str, count: int) -> None:
    if count:
        say(f"[{pipeline.name}] {stage}")
