"""Settings of every command: the single source of its options, defaults and help texts.

They are typed, frozen and strict, and the resolved copy is saved beside every output. One file a
command; a line and a unit stand under each field, and are what `--help` shows. A name is imported
when it is asked for: a command needs its own settings alone.
"""

from typing import TYPE_CHECKING

from tokser.lazy_names import lazy_names

if TYPE_CHECKING:
    from tokser.config.align import AlignSettings
    from tokser.config.base import Settings
    from tokser.config.compare_results import CompareResultsSettings
    from tokser.config.experiments import AuditSettings, ClassifySettings, RegressSettings
    from tokser.config.extract import ExtractSettings
    from tokser.config.fit import FitSettings
    from tokser.config.frame_heads import FrameHeadSettings
    from tokser.config.grid import GridSettings
    from tokser.config.labels import LabelsSettings, RelabelSettings
    from tokser.config.pool import PoolSettings
    from tokser.config.predict import ExportModelSettings, PredictSettings
    from tokser.config.pretrain import PretrainSettings, SweepSettings
    from tokser.config.probe import ProbeSettings
    from tokser.config.report import ReportSettings
    from tokser.config.scaling import ScalingSettings
    from tokser.config.segment import SegmentSettings
    from tokser.config.sharing import PullSettings, PushSettings
    from tokser.config.similarity import SimilaritySettings
    from tokser.config.transcribe import TranscribeSettings
    from tokser.config.transfer import TransferSettings
    from tokser.config.tune import ApplySettings, TuneSettings
    from tokser.config.values import ContextName, Few, PrecisionName, QueriesName, Rate

__all__ = [
    "AlignSettings",
    "ApplySettings",
    "AuditSettings",
    "ClassifySettings",
    "CompareResultsSettings",
    "ContextName",
    "ExportModelSettings",
    "ExtractSettings",
    "Few",
    "FitSettings",
    "FrameHeadSettings",
    "GridSettings",
    "LabelsSettings",
    "PoolSettings",
    "PrecisionName",
    "PredictSettings",
    "PretrainSettings",
    "ProbeSettings",
    "PullSettings",
    "PushSettings",
    "QueriesName",
    "Rate",
    "RegressSettings",
    "RelabelSettings",
    "ReportSettings",
    "ScalingSettings",
    "SegmentSettings",
    "Settings",
    "SimilaritySettings",
    "SweepSettings",
    "TranscribeSettings",
    "TransferSettings",
    "TuneSettings",
]

_HOMES = {
    "AlignSettings": "align",
    "ApplySettings": "tune",
    "AuditSettings": "experiments",
    "ClassifySettings": "experiments",
    "CompareResultsSettings": "compare_results",
    "ContextName": "values",
    "ExportModelSettings": "predict",
    "ExtractSettings": "extract",
    "Few": "values",
    "FitSettings": "fit",
    "FrameHeadSettings": "frame_heads",
    "GridSettings": "grid",
    "LabelsSettings": "labels",
    "PoolSettings": "pool",
    "PrecisionName": "values",
    "PredictSettings": "predict",
    "PretrainSettings": "pretrain",
    "ProbeSettings": "probe",
    "PullSettings": "sharing",
    "PushSettings": "sharing",
    "QueriesName": "values",
    "Rate": "values",
    "RegressSettings": "experiments",
    "RelabelSettings": "labels",
    "ReportSettings": "report",
    "ScalingSettings": "scaling",
    "SegmentSettings": "segment",
    "Settings": "base",
    "SimilaritySettings": "similarity",
    "SweepSettings": "pretrain",
    "TranscribeSettings": "transcribe",
    "TransferSettings": "transfer",
    "TuneSettings": "tune",
}
"""Where a name is defined."""

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
