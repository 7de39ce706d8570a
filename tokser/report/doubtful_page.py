"""A page to hear the most doubtful utterances, and to decide about their labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tokser.experiments.classification import PROBABILITY
from tokser.experiments.doubtful_labels.audit import LabelAudit
from tokser.plain_text import plain
from tokser.provenance import digest_of
from tokser.report.doubtful_labels import label_noise_table
from tokser.report.embedded_audio import Recording
from tokser.report.palette import DARK, LIGHT
from tokser.report.renderers.html import environment

__all__ = ["doubtful_page"]

_MOST_CLASSES = 3
"""Classes whose probabilities are shown."""
_MOST_KEYS = 9
"""Classes that a digit stands for."""


@dataclass(frozen=True)
class _Item:
    """An utterance as the page shows it."""

    rank: int
    id: str
    label: str
    suggested: str
    flagged_by: str
    support: str
    model: tuple[tuple[str, str, float], ...]
    neighbours: str
    annotators: str
    speaker: str
    said: str
    file: str
    address: str
    fault: str


def doubtful_page(
    audit: LabelAudit,
    shown: pd.DataFrame,
    *,
    title: str,
    root: Path,
    files: Mapping[str, str],
    said: Mapping[str, str],
    recordings: Mapping[str, Recording],
) -> str:
    """Build the page: self-contained, no request, usable by keyboard.

    Args:
        audit: What was found.
        shown: Rows of `audit.doubtful` that are listed, in order.
        title: Name of the corpus.
        root: Folder of the corpus.
        files: Recording of each utterance, relative to `root`.
        said: Transcript of each utterance.
        recordings: The sound of those that can be played, by id.

    Returns:
        An HTML document. The same input gives the same text.
    """
    classes = [
        str(name).removeprefix(PROBABILITY)
        for name in audit.doubtful
        if str(name).startswith(PROBABILITY)
    ]
    items = [_item(row, classes, files, said, recordings) for row in shown.to_dict("records")]
    page = environment().get_template("doubtful.html.jinja")
    html = page.render(
        title=f"Doubtful labels: {title}",
        audit=audit,
        items=items,
        num_played=sum(bool(item.address) for item in items),
        classes=classes,
        num_keys=min(len(classes), _MOST_KEYS),
        noise=label_noise_table(audit.noise, "label-noise", title),
        root=root,
        key=digest_of([title, [[item.id, item.label] for item in items]])[:16],
        light=LIGHT,
        dark=DARK,
    )
    return plain(html)


def _item(
    row: Mapping[Any, Any],
    classes: list[str],
    files: Mapping[str, str],
    said: Mapping[str, str],
    recordings: Mapping[str, Recording],
) -> _Item:
    name, label = str(row["id"]), str(row["label"])
    probable = {c: float(row[f"{PROBABILITY}{c}"]) for c in classes}
    best = sorted(classes, key=lambda c: -probable[c])[:_MOST_CLASSES]
    listed = [*best, *([] if label in best else [label])]
    share = row["annotators_share"]
    recording = recordings.get(name, Recording(""))
    neighbours = f"{100 * row['neighbours_share']:.0f} % are {label}"
    if row["neighbours_label"] != label:
        neighbours += f", most often they are {row['neighbours_label']}"
    return _Item(
        rank=int(row["rank"]),
        id=name,
        label=label,
        suggested=str(row["suggested_label"]),
        flagged_by=str(row["flagged_by"]),
        support=f"{100 * row['support']:.2g} %",
        model=tuple((c, f"{100 * probable[c]:.0f} %", probable[c]) for c in listed),
        neighbours=neighbours,
        annotators="" if pd.isna(share) else f"{100 * share:.0f} % chose {label}",
        speaker=str(row["speaker"]),
        said=said.get(name, ""),
        file=files.get(name, str(row["path"])),
        address=recording.address,
        fault=recording.fault,
    )
