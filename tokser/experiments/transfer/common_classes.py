"""Classes that all corpora share, by a label map; what is left out is counted."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tokser.errors import InputError, list_some
from tokser.experiments.joined_store import CORPUS
from tokser.experiments.transfer.label_maps import LabelMap, OfCorpus
from tokser.progress import say

__all__ = ["ClassRow", "common_classes"]

ClassRow = dict[str, Any]
"""A row of the table of labels: corpus, label, class, num_utterances, why it is left out."""

_NO_LABEL = "no label"


def common_classes(
    utterances: pd.DataFrame, labels: LabelMap | None
) -> tuple[pd.DataFrame, list[ClassRow]]:
    """Give utterances the classes that every corpus has, and leave the others out.

    Args:
        utterances: Columns `corpus`, `label`, and those that a map cuts into bins.
        labels: None: labels of the same name are the same class.

    Returns:
        The utterances that have such a class, as their `label`; and how many of which label of
        which corpus became what.

    Raises:
        InputError: The corpora have no two classes in common, or a column is not there.
    """
    parts = {str(c): table for c, table in utterances.groupby(CORPUS, sort=False)}
    mapped = {corpus: _mapped(corpus, table, labels) for corpus, table in parts.items()}
    found = {corpus: set(classes[classes.ne("")]) for corpus, (_, classes, _) in mapped.items()}
    shared = set.intersection(*found.values())
    if len(shared) < 2:
        raise InputError(
            "--labels" if labels is None else f"label map {labels.title}",
            expected="at least two classes that all corpora have",
            got="; ".join(
                f"{corpus} has {list_some(sorted(names), most=12) or 'none'}"
                for corpus, names in found.items()
            ),
            remedy="Name a map that gives their labels common classes: --labels four-classes, "
            "six-classes, valence, or a file of your own.",
        )
    rows = [
        row
        for corpus, (texts, classes, reasons) in mapped.items()
        for row in _rows(corpus, texts, classes, reasons, shared, found)
    ]
    _tell(rows)
    label = pd.concat([classes for _, classes, _ in mapped.values()])
    kept = label[label.isin(shared)]
    return utterances.loc[kept.index].assign(label=kept), rows


def _mapped(
    corpus: str, table: pd.DataFrame, labels: LabelMap | None
) -> "tuple[pd.Series[str], pd.Series[str], dict[str, str]]":
    """Return what utterances are called in the table of labels, their classes, and reasons."""
    own = None if labels is None else labels.of(corpus)
    if own is not None and own.bins:
        return _binned(corpus, table, own)
    texts = table["label"].astype(object)
    if own is None or labels is None:
        return texts, texts, {}
    by_label = {label: name for name, members in own.classes.items() for label in members}
    classes = texts.map(lambda text: by_label.get(text, ""))
    reasons = {text: f"no class of the map {labels.title}" for text in texts if text}
    return texts, classes, reasons


def _binned(
    corpus: str, table: pd.DataFrame, own: OfCorpus
) -> "tuple[pd.Series[str], pd.Series[str], dict[str, str]]":
    if own.column not in table:
        raise InputError(
            f"label map, corpus {corpus}",
            expected=f"a column {own.column} of numbers",
            got=f"the columns {list_some(list(table), most=30)}",
            remedy="Name another column, or map the labels of this corpus instead.",
        )
    numbers = pd.to_numeric(table[own.column], errors="coerce").to_numpy(dtype=float)
    last = max(high for _, high in own.bins.values())
    classes = np.full(len(table), "", dtype=object)
    texts = np.where(np.isnan(numbers), "", f"{own.column} outside the bins").astype(object)
    for name, (low, high) in own.bins.items():
        inside = (numbers >= low) & ((numbers < high) | ((high == last) & (numbers == high)))
        classes[inside] = name
        texts[inside] = f"{own.column} {low:g} to {high:g}"
    reasons = {f"{own.column} outside the bins": "in no bin of the map"}
    return pd.Series(texts, index=table.index), pd.Series(classes, index=table.index), reasons


def _rows(
    corpus: str,
    texts: "pd.Series[str]",
    classes: "pd.Series[str]",
    reasons: Mapping[str, str],
    shared: set[str],
    found: Mapping[str, set[str]],
) -> list[ClassRow]:
    """Count the utterances of one corpus by label."""
    rows = []
    pairs = pd.DataFrame({"label": texts, "class": classes}).groupby(["label", "class"])
    for (text, name), members in pairs:
        lacking = [other for other, names in found.items() if name not in names]
        if name in shared:
            reason = ""
        elif not name:
            reason = reasons.get(text, _NO_LABEL)
        else:
            reason = f"no {name} in {list_some(lacking)}"
        rows.append(
            {
                "corpus": corpus,
                "label": text,
                "class": name if not reason else "",
                "num_utterances": len(members),
                "left_out": reason,
            }
        )
    return rows


def _tell(rows: list[ClassRow]) -> None:
    """Say how many utterances of each corpus are used, and which are left out."""
    for corpus in dict.fromkeys(row["corpus"] for row in rows):
        own = [row for row in rows if row["corpus"] == corpus]
        kept = sum(row["num_utterances"] for row in own if not row["left_out"])
        out = [f"{r['label'] or _NO_LABEL} {r['num_utterances']}" for r in own if r["left_out"]]
        total = sum(row["num_utterances"] for row in own)
        left = f"; left out: {', '.join(out)}" if out else ""
        say(f"{corpus}: {kept} of {total} utterances have a class that all corpora have{left}")
