"""Errors of a configuration, the most confident first: as a table, and one by one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from tokser.report.embedded_audio import Recording
from tokser.report.predicted_utterances import PredictedUtterances
from tokser.report.table import Cell, Column, ColumnGroup, Number, Table

__all__ = ["ShownUtterance", "errors_table", "show", "wanted_recordings"]

_MOST_CLASSES = 4
"""Probabilities that are written out for an utterance."""
_LEAST_SHOWN = 0.0005
"""Smaller probabilities would be written as 0.0 %."""
_SHOWN = {"speaker": "Speaker", "transcript": "Transcript"}


@dataclass(frozen=True)
class ShownUtterance:
    """One utterance, to be looked at and listened to.

    Attributes:
        id: Its id.
        label: Its label.
        prediction: What was predicted.
        probability: Of the prediction, in percent; empty where it is not known.
        probabilities: The largest ones, in words; empty where they are not known.
        about: Speaker, transcript and path where they are known, by what they are called.
        recording: Its sound and waveform; None where they are not on the page.
        attention: Anchor of its attention map on the page; empty for none.
    """

    id: str
    label: str
    prediction: str
    probability: str
    probabilities: str
    about: Mapping[str, str]
    recording: Recording | None = None
    attention: str = ""


def errors_table(predicted: PredictedUtterances, most: int, name: str, title: str) -> Table | None:
    """List errors, the most confident first.

    Args:
        predicted: Predictions.
        most: Errors that are listed.
        name: Of the table's file.
        title: Dataset and task.

    Returns:
        None where there is no error, or none is to be listed.
    """
    errors = predicted.errors
    listed = errors.head(most)
    if listed.empty:
        return None
    known = [one for one in _SHOWN if one in listed and listed[one].ne("").any()]
    has_probability = bool(listed["probability"].notna().any())
    columns = [Column("Utterance"), Column("Label"), Column("Prediction")]
    columns += [Column("Probability [%]", "number")] if has_probability else []
    columns += [Column(_SHOWN[one]) for one in known]
    rows = []
    for row in listed.reset_index().to_dict("records"):
        cells: list[Cell] = [str(row["id"]), str(row["label"]), str(row["prediction"])]
        if has_probability:
            cells.append(Number(row["probability"]) if pd.notna(row["probability"]) else None)
        rows.append((*cells, *(str(row[one]) for one in known)))
    caption = f"{title}: errors, the most confident first; {predicted.title}"
    return Table(
        name, caption, (ColumnGroup(tuple(columns)),), tuple(rows), notes=(_note(predicted, most),)
    )


def show(
    utterances: pd.DataFrame,
    predicted: PredictedUtterances,
    recordings: Mapping[str, Recording],
    attention: Mapping[str, str],
) -> list[ShownUtterance]:
    """Gather what is shown of utterances one by one.

    Args:
        utterances: Rows of `predicted.table`, in the order in which they are shown.
        predicted: Predictions.
        recordings: Of the page, by id.
        attention: Anchors of attention maps on the page, by id.
    """
    named = {"speaker": "Speaker", "transcript": "Transcript", "path": "Recording"}
    return [
        ShownUtterance(
            id=str(name),
            label=row["label"],
            prediction=row["prediction"],
            probability="" if pd.isna(row["probability"]) else f"{100 * row['probability']:.1f} %",
            probabilities=_probabilities(predicted.probabilities.loc[name]),
            about={title: row[key] for key, title in named.items() if row.get(key)},
            recording=_readable(recordings.get(str(name))),
            attention=attention.get(str(name), ""),
        )
        for name, row in utterances.to_dict("index").items()
    ]


def _readable(recording: Recording | None) -> Recording | None:
    return recording if recording is not None and recording.address else None


def wanted_recordings(predicted: PredictedUtterances, most: int) -> list[str]:
    """Return whose recordings go with the page: errors, then the least confident others."""
    order: Sequence[object] = [*predicted.errors.index, *predicted.correct.index]
    return [str(name) for name in order[:most]]


def _note(predicted: PredictedUtterances, most: int) -> str:
    num_errors, num = len(predicted.errors), len(predicted.table)
    if num_errors <= most:
        return f"All {num_errors} errors among {num} test utterances."
    return f"{most} of {num_errors} errors among {num} test utterances; --errors lists more."


def _probabilities(values: "pd.Series[float]") -> str:
    known = values[values >= _LEAST_SHOWN].sort_values(ascending=False, kind="stable")
    largest = known.head(_MOST_CLASSES)
    return ", ".join(f"{name} {100 * value:.1f} %" for name, value in largest.items())
