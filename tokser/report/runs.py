"""What pretraining reached, run by run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

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
    "dev_match_rate_shuffled": "Shuffled speech",
    "speech_gain": "Speech gain",
    "dev_match_rate_text_only": "Text only",
    "dev_match_rate_within": "Within utterance",
    "speech_gain_within": "Speech gain within",
    "dev_mrr": "MRR",
    "dev_recall_at_5": "Recall at 5",
    "dev_chance": "Chance",
    "attention_entropy": "Attention entropy / log N",
    "attention_diagonality": "Attention diagonality",
}
"""Columns of `metrics.csv`, all fractions, by what the page calls them."""

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
    """The epoch of the highest dev match rate; None where it was not measured."""
    at_best: Mapping[str, float]
    """By metric, its value at the best epoch; metrics that were not measured are left out."""
    untrained: float | None
    """Dev match rate before the first step, where it was measured."""


def summarise(name: str, run: Run) -> RunSummary:
    """Condense a run's metrics into one row.

    Source: report, section 4.3 (1-NN validation selects the model).
    """
    metrics = run.metrics
    losses = metrics["train_loss"].dropna()
    watched = metrics.dropna(subset=["dev_match_rate"]) if "dev_match_rate" in metrics else None
    best = None
    if watched is not None and not watched.empty:
        best = watched.loc[watched["dev_match_rate"].idxmax()]
    return RunSummary(
        name=name,
        settings={key: str(_setting(run, key)) for key in SETTINGS},
        first_loss=float(losses.iloc[0]) if len(losses) else None,
        last_loss=float(losses.iloc[-1]) if len(losses) else None,
        num_epochs=len(losses),
        best_epoch=None if best is None else int(best["epoch"]),
        at_best={} if best is None else _measured(best),
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
    return [str(run.folder) if alike else run.name for run in runs]


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


def _measured(row: pd.Series) -> dict[str, float]:
    return {key: float(row[key]) for key in METRICS if key in row and pd.notna(row[key])}


def _untrained(metrics: pd.DataFrame) -> float | None:
    if "dev_match_rate" not in metrics:
        return None
    before = metrics[metrics["train_loss"].isna() & metrics["dev_match_rate"].notna()]
    return None if before.empty else float(before["dev_match_rate"].iloc[0])
