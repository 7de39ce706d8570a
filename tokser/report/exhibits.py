"""The report's tables and figures one by one, under the names that their files get."""

import math
from collections.abc import Iterable, Mapping, Sequence

from tokser.report import figures
from tokser.report.audit import Verdict
from tokser.report.dimensions import Agreement, Dimensions, Target
from tokser.report.matrix import confusion_matrix
from tokser.report.naming import p_value, protocol_title
from tokser.report.published import COUNT_REMARKS, GRIDS
from tokser.report.results import Run
from tokser.report.runs import names_of, watched
from tokser.report.sections import Section
from tokser.report.significance import Pair
from tokser.report.svg import Drawing
from tokser.report.tables import Score
from tokser.report.typeset import Cell, Number, Percent, Table

__all__ = ["figures_of", "tables_of"]


def tables_of(sections: Sequence[Section], dimensions: Sequence[Dimensions] = ()) -> list[Table]:
    """Return the tables of every dataset: scores, comparisons, and the report's beside them."""
    tables = []
    for section in sections:
        tables += [_scores(section)]
        if section.counted:
            tables.append(_counts(section))
        if section.searched:
            tables.append(_grids(section))
        if section.compared:
            tables.append(_published(section))
        if section.families:
            tables.append(_comparisons(section))
    return tables + [_target(told, target) for told in dimensions for target in told.targets]


def figures_of(
    sections: Sequence[Section], dimensions: Sequence[Dimensions], runs: Sequence[Run]
) -> dict[str, Drawing]:
    """Return the figures of every dataset and of the pretraining runs, by name of their file."""
    found: dict[str, Drawing] = {}
    for section in sections:
        if section.leak_figure:
            found[f"{section.dataset}-leaks"] = section.leak_figure
        for label, figure in section.layer_figures:
            found[_file_name(section.dataset, "layers", label)] = figure
        for protocol, row, confusion in section.confusions:
            name = _file_name(section.dataset, "confusion", protocol)
            title = f"{section.title}, {protocol_title(protocol)}: {row.label}"
            found[name] = confusion_matrix(title, confusion, section.verdicts[protocol].stamp)
    for told in dimensions:
        for target in told.targets:
            found[_file_name(told.dataset, "dimension", target.name)] = target.figure
    metrics = {name: run.metrics for name, run in zip(names_of(runs), runs, strict=True)}
    if metrics:
        found["convergence"] = figures.convergence(metrics)
    if seen := watched(metrics):
        found["validation"] = figures.validation(seen)
    return found


def _scores(section: Section) -> Table:
    columns = ["Features"]
    for protocol in section.table.protocols:
        title = protocol_title(protocol)
        columns += [f"{title}: {name}" for name in ("UAR [95 %]", "Accuracy", "Macro-F1", "n")]
    rows = []
    for row, scores in section.table.rows:
        cells: list[Cell] = [row.label]
        for protocol in section.table.protocols:
            score = scores.get(protocol)
            if score is None:
                cells += [None] * 4
                continue
            uar = Percent(score.uar, score.low, score.high, "uar" in score.best)
            accuracy = Percent(score.accuracy, is_best="accuracy" in score.best)
            macro_f1 = Percent(score.macro_f1, is_best="macro_f1" in score.best)
            cells += [uar, accuracy, macro_f1, score.num_test]
        rows.append(tuple(cells))
    notes = (
        *_stamps(section.verdicts),
        "Percent, all folds together; 95 % intervals leave out each speaker or session in test.",
        *_reasons(score for _, scores in section.table.rows for score in scores.values()),
    )
    title = f"{section.title}: scores on the test parts"
    return Table(f"{section.dataset}-scores", title, tuple(columns), tuple(rows), notes)


def _counts(section: Section) -> Table:
    assert section.counted is not None
    rows: list[tuple[Cell, ...]] = [*section.counted.rows, ("All", *section.counted.totals)]
    here = f"Here: tested under {protocol_title(section.counted.protocol).lower()}."
    notes = (here, *COUNT_REMARKS.get(section.dataset, ()))
    title = f"{section.title}: utterances by label, beside the report's Table 1"
    columns = ("Label", "Published", "Here")
    return Table(f"{section.dataset}-table1", title, columns, tuple(rows), notes)


def _grids(section: Section) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (f"Published, {g.classifier.lower()}", _listed(g.batch_sizes), _listed(g.learning_rates),
         len(g.batch_sizes) * len(g.learning_rates),
         f"Whisper {', '.join(g.models)}" if g.models else "")
        for g in GRIDS
    ]  # fmt: skip
    for s in section.searched:
        same = f"published, {s.published.lower()}" if s.published else "neither"
        told = (s.folder, _listed(s.batch_sizes), _listed(s.learning_rates), s.num_points, same)
        rows.append(told)
    title = f"{section.title}: search space, beside the report's Table 2"
    columns = ("Grid", "Batch size", "Learning rate", "Points", "The same as")
    return Table(f"{section.dataset}-table2", title, columns, tuple(rows))


def _published(section: Section) -> Table:
    columns = ["Features", "Published: UAR", "Published: accuracy"]
    for protocol in section.table.protocols:
        title = protocol_title(protocol)
        columns += [f"{title}: UAR [95 %]", f"{title}: accuracy", f"{title}: with"]
    rows, remarks = [], []
    for compared in section.compared:
        published = compared.published
        cells: list[Cell] = [compared.label, None, None]
        if published is not None:
            cells[1:] = [Percent(x / 100, digits=2) for x in (published.uar, published.accuracy)]
            remarks += [f"{compared.label}: {published.remark}"] if published.remark else []
        for protocol in section.table.protocols:
            if protocol not in compared.ours:
                cells += [None] * 3
                continue
            row, score = compared.ours[protocol]
            cells += [Percent(score.uar, score.low, score.high), Percent(score.accuracy), row.label]
        rows.append(tuple(cells))
    notes = (
        *_stamps(section.verdicts),
        "What the report prints as F1 is micro-F1, that is accuracy, on one random split of "
        f"{section.num_published_test} test utterances.",
        *remarks,
    )
    title = f"{section.title}: scores beside the report's Table 3"
    return Table(f"{section.dataset}-table3", title, tuple(columns), tuple(rows), notes)


def _comparisons(section: Section) -> Table:
    columns = ("Protocol", "Classifier", "Better", "Worse", "Difference", "p", "p (max-t)")
    rows = [
        (protocol_title(family.protocol), family.classifier, pair.better, pair.worse,
         Percent(pair.difference, *_ends(pair)), p_value(pair.p), p_value(pair.p_adjusted))
        for family in section.families
        for pair in family.pairs
    ]  # fmt: skip
    title = f"{section.title}: differences of UAR in points, tested over speakers"
    tests = dict.fromkeys(
        f"{protocol_title(family.protocol)}: no test, {family.no_test}."
        for family in section.families
        if family.no_test
    )
    notes = (*_stamps(section.verdicts), *tests)
    return Table(f"{section.dataset}-comparisons", title, columns, tuple(rows), notes)


def _ends(pair: Pair) -> tuple[float | None, float | None]:
    return (None, None) if math.isnan(pair.low) else (pair.low, pair.high)


def _target(told: Dimensions, target: Target) -> Table:
    columns = ["Features"]
    for protocol in told.protocols:
        title = protocol_title(protocol)
        columns += [f"{title}: {name}" for name in ("CCC [95 %]", "Pearson", "RMSE", "n")]
    rows = []
    for row, scores in target.rows:
        cells: list[Cell] = [row.label]
        for protocol in told.protocols:
            found = scores.get(protocol)
            if found is None:
                cells += [None] * 4
                continue
            concordance = Number(found.ccc, found.low, found.high, found.is_best)
            cells += [concordance, Number(found.pearson), Number(found.rmse), found.num_test]
        rows.append(tuple(cells))
    notes = (
        *_stamps(told.verdicts),
        "All folds together; 95 % intervals leave out each speaker or session in test.",
        *_reasons(score for _, scores in target.rows for score in scores.values()),
    )
    name = _file_name(told.dataset, "dimension", target.name)
    return Table(name, f"{told.title}: {target.name}", tuple(columns), tuple(rows), notes)


def _reasons(scores: Iterable[Score | Agreement]) -> tuple[str, ...]:
    """Say why rows have no interval."""
    reasons = dict.fromkeys(score.no_interval for score in scores if score.no_interval)
    return tuple(f"No interval: {reason}." for reason in reasons)


def _stamps(verdicts: Mapping[str, Verdict]) -> tuple[str, ...]:
    return tuple(
        f"{protocol_title(protocol)}: {verdict.stamp}."
        for protocol, verdict in verdicts.items()
        if verdict.stamp
    )


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _file_name(dataset: str, kind: str, label: str) -> str:
    plain = "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in label)
    return f"{dataset}-{kind}-{'-'.join(part for part in plain.split('-') if part)}"
