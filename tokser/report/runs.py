"""What pretraining reached, run by run."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tokser.plain_text import plain
from tokser.pretrain.metrics import HEADLINE, best_epoch
from tokser.report import figures
from tokser.report.inputs import Run
from tokser.report.svg import Drawing
from tokser.report.table import Cell, Column, ColumnGroup, Number, Table

__all__ = [
    "METRICS",
    "SETTINGS",
    "RunSummary",
    "names_of",
    "pretraining_figures",
    "runs_table",
    "summarise",
    "summarise_all",
    "teachers_of",
]

METRICS = {
    "dev_match_rate": "Match rate",
    "dev_match_rate_mismatched": "Match rate, mismatched speech",
    "speech_gain": "Gain over mismatched speech, points",
    "dev_match_rate_text_only": "Match rate, text-only baseline",
    "speech_gain_text_only": "Gain over the text-only baseline, points",
    "dev_text_only_upper_bound": "Upper bound of the text-only baseline",
    "dev_match_rate_within": "Match rate within the utterance",
    "speech_gain_within": "Gain within it over mismatched speech, points",
    "speech_gain_text_only_within": "Gain within it over the text-only baseline, points",
    "dev_mrr": "MRR",
    "dev_recall_at_5": "Recall at 5",
    "dev_chance": "Chance",
    "attention_entropy": "Attention entropy / log N",
    "attention_monotonicity": "Attention monotonicity",
}
"""Columns of `metrics.csv`, all fractions, by what the page calls them; gains are differences."""

SETTINGS = {
    "speech": "Speech S",
    "text": "Teacher B",
    "batch_size": "Batch size, utterances",
    "learning_rate": "Learning rate",
    "temperature": "Temperature",
    "seed": "Seed",
}
"""Settings of a run by what the page calls them."""


@dataclass(frozen=True)
class RunSummary:
    """One row of the table of pretraining runs."""

    name: str
    settings: Mapping[str, str]
    first_loss: float | None
    last_loss: float | None
    num_epochs: int
    best_epoch: int | None
    """See `best_epoch`; None where no match rate was measured."""
    at_best: Mapping[str, float]
    """By metric, its value at the best epoch; metrics that were not measured are left out."""
    intervals: Mapping[str, tuple[float, float]]
    """By metric, its 95 % interval at the best epoch, where there is one."""
    interval_units: str
    """What they are over, for instance `8 speakers`; empty where there is none."""
    untrained: float | None
    """Dev match rate before the first step, where it was measured."""


def summarise(name: str, run: Run) -> RunSummary:
    """Condense a run's metrics into one row, at the epoch whose weights the run kept."""
    metrics = run.metrics
    losses = metrics["train_loss"].dropna()
    rows = metrics.to_dict("records") if HEADLINE in metrics else []
    epoch = best_epoch(rows)
    best: Mapping[Hashable, Any] = next((row for row in rows if row["epoch"] == epoch), {})
    intervals = _intervals(best)
    return RunSummary(
        name=name,
        settings={key: str(_setting(run, key)) for key in SETTINGS},
        first_loss=float(losses.iloc[0]) if len(losses) else None,
        last_loss=float(losses.iloc[-1]) if len(losses) else None,
        num_epochs=len(losses),
        best_epoch=epoch,
        at_best={
            key: float(best[key]) for key in METRICS if not math.isnan(best.get(key, math.nan))
        },
        intervals=intervals,
        interval_units=_units(best) if intervals else "",
        untrained=_untrained(metrics),
    )


def summarise_all(runs: Sequence[Run]) -> list[RunSummary]:
    """Condense runs, under unique names."""
    return [summarise(name, run) for name, run in zip(names_of(runs), runs, strict=True)]


def runs_table(runs: Sequence[RunSummary]) -> Table:
    """Show a column for each run, a row for each setting and score."""
    rows: list[tuple[Cell, ...]] = [
        *((name, *(run.settings[key] or "auto" for run in runs)) for key, name in SETTINGS.items()),
        ("Loss, first to last epoch", *map(_losses, runs)),
        ("Best epoch", *map(_best, runs)),
    ]
    for key, name in METRICS.items():
        if any(key in run.at_best for run in runs):
            rows.append(
                (name, *(_number(run.at_best.get(key), run.intervals.get(key)) for run in runs))
            )
    if any(run.interval_units for run in runs):
        rows.append(("Intervals over", *(run.interval_units for run in runs)))
    rows.append(("Match rate, untrained attention", *(_number(run.untrained) for run in runs)))
    columns = (Column("Run"), *(Column(run.name, "number") for run in runs))
    notes = (
        "Dev scores in percent at the best epoch: the first trained epoch with the highest match "
        "rate, whose weights the run kept. In brackets: 95 % intervals over speakers, or over "
        "utterances where speakers are unknown or fewer than four.",
        "Mismatched speech actively misleads the aligner, so the gain over it is larger than the "
        "gain over no speech: read it together with the gain over the text-only baseline.",
    )
    return Table(
        "pretraining",
        "Pretraining runs",
        (ColumnGroup(columns),),
        tuple(rows),
        notes=notes,
        is_sortable=False,
    )


def _losses(run: RunSummary) -> Cell:
    if run.first_loss is None or run.last_loss is None:
        return None
    return f"{run.first_loss:.3g} to {run.last_loss:.3g}"


def _best(run: RunSummary) -> Cell:
    return None if run.best_epoch is None else f"{run.best_epoch} of {run.num_epochs}"


def _number(value: float | None, ends: tuple[float, float] | None = None) -> Cell:
    return None if value is None else Number(value, *(ends or ()))


def teachers_of(runs: Sequence[Run]) -> dict[str, str]:
    """Return the name of the text encoder that each run was aligned to, where it says so."""
    found = {run.name: _setting(run, "text") for run in runs}
    return {name: str(teacher) for name, teacher in found.items() if teacher}


def names_of(runs: Sequence[Run]) -> list[str]:
    """Name runs by their folders; by their whole paths where two folders have the same name."""
    names = [run.name for run in runs]
    are_ambiguous = len(set(names)) < len(names)
    return [plain(str(run.folder) if are_ambiguous else run.name) for run in runs]


def _validated(metrics: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the metrics of the runs whose match rate was measured."""
    return {
        name: table
        for name, table in metrics.items()
        if "dev_match_rate" in table and table["dev_match_rate"].notna().any()
    }


def _setting(run: Run, key: str) -> object:
    """Look a setting up; the value that a default stands for is in the provenance's inputs."""
    value = run.settings.get(key)
    if value in (None, ""):
        value = run.provenance.get("inputs", {}).get(key)
    return "" if value is None else value


def _intervals(best: Mapping[Hashable, Any]) -> dict[str, tuple[float, float]]:
    found = {}
    for key in METRICS:
        low, high = best.get(f"{key}_low", math.nan), best.get(f"{key}_high", math.nan)
        if not math.isnan(low) and not math.isnan(high):
            found[key] = float(low), float(high)
    return found


def _units(best: Mapping[Hashable, Any]) -> str:
    """Say what intervals are over."""
    num_speakers = best.get("dev_num_speakers", 0)
    if num_speakers > 0:
        return f"{num_speakers:.0f} speakers"
    return f"{best.get('dev_num_utterances', 0):.0f} utterances"


def _untrained(metrics: pd.DataFrame) -> float | None:
    if "dev_match_rate" not in metrics:
        return None
    before = metrics[metrics["train_loss"].isna() & metrics["dev_match_rate"].notna()]
    return None if before.empty else float(before["dev_match_rate"].iloc[0])


def pretraining_figures(runs: Sequence[Run]) -> dict[str, Drawing]:
    """Return the loss curves, and the validation curves where there are any, by name of file."""
    metrics = {name: run.metrics for name, run in zip(names_of(runs), runs, strict=True)}
    found = {"convergence": figures.convergence(metrics)} if metrics else {}
    if seen := _validated(metrics):
        found["validation"] = figures.validation(seen)
    return found
