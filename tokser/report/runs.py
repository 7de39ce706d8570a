"""What pretraining reached, run by run."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tokser.plain_text import plain
from tokser.pretrain.metrics import HEADLINE, best_epoch
from tokser.report.results import Run

__all__ = [
    "METRICS",
    "SETTINGS",
    "RunSummary",
    "names_of",
    "summarise",
    "teachers_of",
    "watched",
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
    """What they rest on, for instance `8 speakers`; empty where there is none."""
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


def teachers_of(runs: Sequence[Run]) -> dict[str, str]:
    """Return the name of the text encoder that each run was aligned to, where it says so."""
    found = {run.name: _setting(run, "text") for run in runs}
    return {name: str(teacher) for name, teacher in found.items() if teacher}


def names_of(runs: Sequence[Run]) -> list[str]:
    """Name runs by their folders; by their whole paths where two folders are named alike."""
    names = [run.name for run in runs]
    alike = len(set(names)) < len(names)
    return [plain(str(run.folder) if alike else run.name) for run in runs]


def watched(metrics: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the metrics of the runs whose match rate was measured."""
    return {
        name: table
        for name, table in metrics.items()
        if "dev_match_rate" in table and table["dev_match_rate"].notna().any()
    }


def _setting(run: Run, key: str) -> object:
    """Look a setting up; what was found by itself stands in the provenance's inputs."""
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
    """Say what intervals rest on."""
    num_speakers = best.get("dev_num_speakers", 0)
    if num_speakers > 0:
        return f"{num_speakers:.0f} speakers"
    return f"{best.get('dev_num_utterances', 0):.0f} utterances"


def _untrained(metrics: pd.DataFrame) -> float | None:
    if "dev_match_rate" not in metrics:
        return None
    before = metrics[metrics["train_loss"].isna() & metrics["dev_match_rate"].notna()]
    return None if before.empty else float(before["dev_match_rate"].iloc[0])
