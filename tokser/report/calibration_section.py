"""What the page shows of `tokser classify --calibrate`, in the section of its dataset."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from tokser.experiments.calibration.tables import CALIBRATION, COVERAGE, RELIABILITY, RISK
from tokser.report.naming import protocol_title
from tokser.report.study import Figure, FurtherTable, Panel
from tokser.report.table import Cell, Column, ColumnGroup, Number, Table, Text

__all__ = ["CALIBRATION_PANELS"]

_KEY = ["features", "protocol", "classifier"]
_MEASURES = {"ece": "ECE", "classwise_ece": "Classwise ECE", "brier": "Brier", "nll": "NLL",
             "aurc": "AURC"}  # fmt: skip


def calibration_panels(table: pd.DataFrame, name: str, title: str) -> list[Panel]:
    """Show errors of calibration before and after, a row for each configuration."""
    brief = (
        ColumnGroup((Column("Features"), Column("Protocol"))),
        ColumnGroup((Column("Before", "interval"), Column("Calibrated", "interval"),
                     Column("If exact", "number")), "ECE"),
        ColumnGroup((Column("Temperature", "number"),)),
    )  # fmt: skip
    columns = tuple(Column(heading, "interval") for heading in _MEASURES.values())
    groups = (
        ColumnGroup((Column("Features"), Column("Protocol"))),
        ColumnGroup(columns, "Before"),
        ColumnGroup(columns, "Calibrated"),
    )
    shown: list[tuple[Cell, ...]] = []
    rows: list[tuple[Cell, ...]] = []
    notes = [
        "ECE: expected calibration error, how far the probability of the predicted class is from "
        "how often it is right, in 15 bins of equal mass; NLL: negative log likelihood in nats; "
        "AURC: area under the risk-coverage curve. The smaller, the better.",
        "If exact: mean ECE if the probabilities before were exact; with this many utterances it "
        "is never 0. Temperature: above 1 the head was overconfident.",
        "95 % intervals leave out one speaker (or session) at a time.",
    ]
    for _, own in table.groupby(_KEY, sort=False):
        raw, after = (own[own["probabilities"] == k].iloc[0] for k in ("raw", "calibrated"))
        first = (_name(raw, table), _protocol(raw))
        temperature = Number(float(after["temperature"]), digits=2, scale=1)
        errors = [_with_ends(one, "ece") for one in (raw, after)]
        exact = Number(float(raw["ece_if_calibrated"]), digits=3, scale=1)
        shown.append((*first, *errors, exact, temperature))
        rows.append(
            (*first, *(_with_ends(one, column) for one in (raw, after) for column in _MEASURES))
        )
        if raw["outputs"] != "probabilities":
            notes.append(f"{_name(raw, table)}: a softmax of decision values; no probabilities.")
        if after["note"]:
            notes.append(f"{_name(raw, table)}: temperature {after['note']}.")
    told = tuple(dict.fromkeys(notes))
    caption = f"{title}: calibration"
    main = Table(f"{name}-calibration", caption, brief, tuple(shown), notes=told)
    whole = Table(f"{name}-calibration-measures", f"{caption}, all measures", groups, tuple(rows))
    folded = {"All measures with their intervals": whole}
    return [Panel("Calibration of probabilities", _made(table), tables=[main], folded=folded)]


def reliability_panels(table: pd.DataFrame, name: str, title: str) -> list[Panel]:
    """Draw how often what is said is true: of the predicted class, and of every class."""
    from tokser.report.calibration_figure import class_reliability_figure, reliability_figure

    figures = []
    for about, own in _selected(table):
        file, where = f"{name}-reliability-{about['protocol']}", _about(about)
        top = own[own["label"] == ""]
        by_class = own[(own["label"] != "") & (own["probabilities"] == "calibrated")]
        figures += [
            Figure(file, reliability_figure(top, f"{title}: reliability, {where}"),
                   f"{where}: the probability of the predicted class, and how often it is right. "
                   "Lines: 95 % intervals."),
            Figure(f"{file}-by-class",
                   class_reliability_figure(by_class, f"{title}: reliability by class, {where}"),
                   f"{where}: the calibrated probability of each class, and how often it is the "
                   "label."),
        ]  # fmt: skip
    return [Panel("Reliability", note=_which(table), figures=figures)]


def coverage_panels(table: pd.DataFrame, name: str, title: str) -> list[Panel]:
    """Show how often sets hold the label: by configuration, class and speaker."""
    from tokser.report.calibration_figure import MOST_GROUPS, coverage_figure

    whole = table[table["group_kind"] == "all"]
    tables = [_coverage_table(whole, f"{name}-coverage", f"{title}: prediction sets")]
    figures, folded = [], {}
    for about, own in _selected(table):
        where, file = _about(about), f"{name}-coverage-{about['protocol']}"
        for level, mine in own.groupby("level"):
            groups = mine[mine["group_kind"] != "label"]
            at, what = f"{100 * float(level):g} %", f"{file}-{1000 * float(level):.0f}"
            caption = f"{where}, {at}: how often the set holds the label, by speaker"
            drawing = coverage_figure(groups, float(level), f"{title}: coverage, {where}, {at}")
            note = f"{caption} (at most {MOST_GROUPS}, those covered least)."
            figures.append(Figure(what, drawing, note))
            folded[f"Coverage by class and speaker: {where}, {at}"] = _group_table(
                mine[mine["group_kind"] != "all"], f"{what}-groups", f"{title}: {caption}"
            )
    return [
        Panel("Prediction sets", _SETS, tables=tables),
        Panel("Coverage by speaker", _which(table), figures, folded=folded),
    ]


def risk_panels(table: pd.DataFrame, name: str, title: str) -> list[Panel]:
    """Draw the accuracy among the most confident utterances."""
    from tokser.report.calibration_figure import risk_figure

    figures = [
        Figure(
            f"{name}-risk-{about['protocol']}",
            risk_figure(own, f"{title}: selective accuracy, {_about(about)}"),
            f"{_about(about)}: accuracy if only the most confident utterances are answered. "
            "Band: 95 % interval.",
        )
        for about, own in _selected(table)
    ]
    return [Panel("Accuracy where the model is sure", note=_which(table), figures=figures)]


_SETS = (
    "A set holds the classes among which the label is as often as was asked for. For new speakers: "
    "the utterances of a speaker are taken as dependent, and each speaker weighs the same; the "
    "promise needs speakers (9 for 90 %, 19 for 95 %). For exchangeable utterances: as if all were "
    "drawn from one distribution. A set always holds the predicted class."
)


def _coverage_table(whole: pd.DataFrame, name: str, caption: str) -> Table:
    columns = (
        Column("Features"), Column("Protocol"), Column("Sets for"), Column("Asked for, %"),
        Column("Coverage, %", "interval"), Column("Least, %", "number"),
        Column("Classes in a set", "number"), Column("Promised"),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    reasons: dict[str, None] = {}
    for row in whole.to_dict("records"):
        least = Number(float(row["least_coverage"]))
        size = Number(float(row["mean_set_size"]), digits=2, scale=1)
        kept, _, reason = str(row["promise"]).partition("none: ")
        if reason:
            reasons[f"Not promised: {reason}."] = None
        given = "yes" if row["exchangeable"] == "speakers" else "if alike"
        promised: Cell = given if kept else Text("no")
        rows.append(
            (_name(row, whole), _protocol(row), str(row["exchangeable"]),
             f"{100 * row['level']:g}", _with_ends(row, "coverage", digits=1, scale=100), least,
             size, promised)
        )  # fmt: skip
    notes = (
        "Least: of the speaker (or session) that is covered least. If alike: promised only for "
        "utterances drawn like those that calibrated, which a new speaker's are not.",
        *reasons,
    )
    return Table(name, caption, (ColumnGroup(columns),), tuple(rows), notes=notes)


def _group_table(groups: pd.DataFrame, name: str, caption: str) -> Table:
    pair = (Column("Coverage, %", "interval"), Column("Classes in a set", "number"))
    kinds = list(dict.fromkeys(groups["exchangeable"]))
    heads = tuple(ColumnGroup(pair, f"Sets for {kind}", missing="not made") for kind in kinds)
    rows: list[tuple[Cell, ...]] = []
    for (kind, group), own in groups.groupby(["group_kind", "group"], sort=False):
        by_kind = {row["exchangeable"]: row for row in own.to_dict("records")}
        cells = [
            cell
            for one in kinds
            for cell in (
                _with_ends(by_kind[one], "coverage", digits=1, scale=100),
                Number(float(by_kind[one]["mean_set_size"]), digits=2, scale=1),
            )
        ]
        rows.append((f"{kind} {group}", int(own["n_test"].iloc[0]), *cells))
    first = ColumnGroup((Column("Group"), Column("n", "number")))
    return Table(name, caption, (first, *heads), tuple(rows))


def _selected(table: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Yield the rows of the configuration that is drawn, of each protocol.

    It is what dev selected, where dev selected among features; else the first configuration.
    """
    for _, own in table.groupby("protocol", sort=False):
        names = own[_KEY].drop_duplicates()
        is_choice = names["features"].str.startswith("best(")
        is_choice |= names["classifier"].str.startswith("best(")
        key = names[is_choice].iloc[-1] if is_choice.any() else names.iloc[0]
        mine = own[(own["features"] == key["features"]) & (own["classifier"] == key["classifier"])]
        yield {str(column): key[column] for column in _KEY}, mine


def _which(table: pd.DataFrame) -> str:
    """Say which configuration is drawn, where there are several."""
    count = len(table[["features", "classifier"]].drop_duplicates())
    if count < 2:
        return ""
    return f"Of {count} configurations, what dev selected, or the first; the CSV file has all."


def _made(table: pd.DataFrame) -> str:
    by = str(table["calibrated_by"].iloc[0])
    if by == "dev":
        return "The test part of each fold is calibrated by its dev part, which its model was " \
               "selected on and not trained on."  # fmt: skip
    return "Each test speaker (or session) is calibrated by the test predictions of all others."


def _about(about: dict[str, Any]) -> str:
    return f"{about['features']}, {about['classifier']}, {protocol_title(about['protocol'])}"


def _name(row: Any, table: pd.DataFrame) -> str:
    several = table["classifier"].nunique() > 1
    return f"{row['features']} · {row['classifier']}" if several else str(row["features"])


def _protocol(row: Any) -> Cell:
    title, stamp = protocol_title(str(row["protocol"])), str(row.get("stamp") or "")
    return Text(f"{title} {stamp}", "stamp") if stamp else title


def _with_ends(row: Any, name: str, digits: int = 3, scale: float = 1) -> Number:
    ends = (row[f"{name}_low"], row[f"{name}_high"])
    low, high = (None if pd.isna(end) else float(end) for end in ends)
    return Number(float(row[name]), low, high, digits=digits, scale=scale)


CALIBRATION_PANELS: Sequence[FurtherTable] = (
    FurtherTable(CALIBRATION, calibration_panels),
    FurtherTable(RELIABILITY, reliability_panels),
    FurtherTable(COVERAGE, coverage_panels),
    FurtherTable(RISK, risk_panels),
)
"""In the order of a section."""
