"""The part of a model card that shows scores: intervals, classes, groups, confusions."""

from collections.abc import Sequence
from typing import Any

from tokser.experiments.models.model import Estimate, Model
from tokser.markdown import markdown_table, plain

__all__ = ["score_line", "score_sections"]

_NAMES = {
    "uar": "UAR (UA)",
    "accuracy": "accuracy (WA)",
    "macro_f1": "macro-F1",
    "weighted_f1": "weighted F1",
    "ccc": "CCC",
    "pearson": "Pearson's correlation",
    "rmse": "root mean square error",
}
_SHARES = ("uar", "accuracy", "macro_f1", "weighted_f1")
_PROTOCOLS = {
    "speaker": "each speaker (where the corpus has them: each session) in turn was left out of "
    "training and tested",
    "random": "70 % train, 20 % dev, 10 % test at random, so that speakers and sentences of test "
    "are also in train",
    "fixed": "one published split by speakers",
    "text": "each speaker in turn was tested, on sentences that training had not",
    "kfold": "whole groups were distributed over folds, each of which was tested once",
}


def score_line(model: Model) -> str:
    """Return the honest score in one line: `UAR (UA) 91.1 % [84.2, 94.5], n = 535, ...`."""
    estimate = model.estimate
    if estimate is None:
        return "no score, since it is the model of one fold"
    stamp = f", {estimate.leaks}" if estimate.leaks else ""
    return (
        f"{_NAMES[estimate.metric]} "
        f"{_with_interval(estimate.metric, estimate.score, estimate.low, estimate.high)}, "
        f"n = {estimate.num_test}, protocol {estimate.protocol}{stamp}"
    )


def score_sections(model: Model) -> list[str]:
    """Return the sections of a card on scores; none for the model of one fold."""
    estimate = model.estimate
    if estimate is None:
        return []
    return [
        "## Scores",
        _explained(estimate),
        _scores(estimate),
        *_classes(estimate),
        *_groups(estimate),
        *_confusion(estimate, model.classes),
    ]


def _explained(estimate: Estimate) -> str:
    how = _PROTOCOLS.get(estimate.protocol, "splits of a file")
    units = ""
    if estimate.num_units and estimate.unit:
        units = f" over {estimate.num_units} {estimate.unit}s"
    interval = f"Intervals: 95 %, jackknife{units}."
    if estimate.low is None:
        interval = f"No interval: {plain(estimate.no_interval or 'not known')}."
    leak = f" **{plain(estimate.leaks)}.**" if estimate.leaks else ""
    return (
        f"Protocol `{plain(estimate.protocol)}`: {how}.{leak} These are the scores of the whole "
        "procedure, selection included, on the test parts of all folds together; the model itself "
        f"was then fitted on everything, so nothing is left to test it on. {interval}"
    )


def _scores(estimate: Estimate) -> str:
    scores, rows = estimate.scores, []
    for name, title in _NAMES.items():
        if scores.get(name) is None:
            continue
        value = _with_interval(
            name, scores[name], scores.get(f"{name}_low"), scores.get(f"{name}_high")
        )
        chance = scores.get(f"{name}_chance")
        rows.append((title, value, "" if chance is None else _number(name, chance)))
    return markdown_table(("score", "value [95 % interval]", "best constant guess"), rows)


def _classes(estimate: Estimate) -> list[str]:
    rows = [
        (
            str(row["label"]),
            *(
                _with_interval("uar", row[one], row.get(f"{one}_low"), row.get(f"{one}_high"))
                for one in ("recall", "precision", "f1")
            ),
            str(row["support"]),
        )
        for row in estimate.classes
    ]
    if not rows:
        return []
    header = ("class", "recall", "precision", "F1", "utterances")
    return ["### By class", markdown_table(header, rows)]


def _groups(estimate: Estimate) -> list[str]:
    metric = estimate.metric
    rows = [
        (
            f"{row['column']} {row['group']}",
            _with_interval(metric, row[metric], row["low"], row["high"]),
            str(row["num_test"]),
            str(row.get("num_speakers", row["num_units"])),
            str(row.get("num_classes") or ""),
        )
        for row in estimate.by_group
    ]
    if not rows and not estimate.gaps:
        return []
    found = ["### By group"]
    if rows:
        header = ("group", _NAMES[metric], "utterances", "speakers", "classes")
        found.append(markdown_table(header, rows))
    return [*found, *_gaps(estimate)]


def _gaps(estimate: Estimate) -> list[str]:
    metric = estimate.metric
    rows = [
        (
            str(row["column"]),
            f"{row['highest']} - {row['lowest']}",
            _with_interval(metric, row["gap"], row["low"], row["high"]),
            "" if row.get("gap_by_chance") is None else _number(metric, row["gap_by_chance"]),
            str(row["no_test"]) if row.get("p") is None else f"{row['p']:.3f}",
        )
        for row in estimate.gaps
        if row.get("gap") is not None
    ]
    if not rows:
        return []
    header = ("column", "highest - lowest group", "gap [95 % interval]", "gap by chance", "p")
    return [
        "The largest gap between groups. Some gap is there by chance even where groups do not "
        "differ: how large it then is on average, and how often at least as large (p), is found by "
        "assigning speakers to groups at random (where a group is a speaker: utterances of one "
        "class to speakers).",
        markdown_table(header, rows),
    ]


def _confusion(estimate: Estimate, classes: Sequence[str]) -> list[str]:
    counts = {(str(r["label"]), str(r["prediction"])): r["count"] for r in estimate.confusion}
    if not counts:
        return []
    rows = [(label, *(str(counts.get((label, one), 0)) for one in classes)) for label in classes]
    return [
        "### Confusion matrix",
        "Utterances by label (rows) and prediction (columns).",
        markdown_table(("label", *map(plain, classes)), rows),
    ]


def _with_interval(name: str, value: Any, low: Any, high: Any) -> str:
    if value is None:
        return ""
    unit = " %" if name in _SHARES else ""
    if low is None or high is None:
        return _number(name, value)
    low, high = (_number(name, one).removesuffix(unit) for one in (low, high))
    return f"{_number(name, value)} [{low}, {high}]"


def _number(name: str, value: float) -> str:
    return f"{100 * value:.1f} %" if name in _SHARES else f"{value:.3f}"
