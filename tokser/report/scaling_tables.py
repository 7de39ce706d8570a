"""Learning curves as tables: scores by size, and the power law of each curve."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from tokser.report.naming import dataset_title, file_name
from tokser.report.table import Cell, Column, ColumnGroup, Number, Table

__all__ = ["fits_table", "overview_table", "scaling_tables", "scores_table"]

SIDE_BY_SIDE = 2
"""Features whose intervals fit beside each other."""
_SIZES = {
    "speakers": "training speakers, each with all utterances",
    "utterances": "utterances of each training speaker, all speakers",
}
_HEADS = {"speakers": "Speakers", "utterances": "Utterances of each"}
_INTERVALS = (
    "95 %: intervals over test speakers and draws. Draws: standard deviation of the score over "
    "draws of subsets."
)
_LAW = (
    "1 - score = limit + factor · n^(-exponent), in percent but for the exponent. 95 %: "
    "bootstrap over test speakers and draws."
)


def scaling_tables(scores: pd.DataFrame, fits: pd.DataFrame) -> Iterator[Table]:
    """Yield a table of scores for each target and varied number, then one of its power laws.

    Args:
        scores: See `experiments.scaling.table.SCALING`.
        fits: The same, `FITS`.
    """
    for (target, varied), own in scores.groupby(["target", "varied"], sort=False):
        is_wide = own["features"].nunique() > SIDE_BY_SIDE
        table = overview_table if is_wide else scores_table
        yield table(own, _name("scaling", target, varied))
    for (target, varied), own in fits.groupby(["target", "varied"], sort=False):
        yield fits_table(own, _name("scaling-fits", target, varied))


def _name(kind: str, target: object, varied: object) -> str:
    return file_name("-".join(filter(None, (kind, str(target), str(varied)))))


def overview_table(scores: pd.DataFrame, name: str) -> Table:
    """Show the scores of many features without intervals: features down, sizes across."""
    first = scores.iloc[0]
    varied = str(first["varied"])
    column = "num_speakers" if varied == "speakers" else "utterances_per_speaker"
    sizes = scores.drop_duplicates("size").sort_values("size")
    headings = [Column(f"{one:.0f}", "number") for one in sizes[column]]
    best = scores.groupby("size")["score"].max()
    rows: list[tuple[Cell, ...]] = [
        (
            str(feature),
            *(
                Number(float(row["score"]), is_best=row["score"] == best[row["size"]])
                for row in own.sort_values("size").to_dict("records")
            ),
        )
        for feature, own in scores.groupby("features", sort=False)
    ]
    groups = (ColumnGroup((Column("Features"),)), ColumnGroup(tuple(headings), _HEADS[varied]))
    notes = (
        "Bold: the highest of its size; the test set selected it, so it is no estimate.",
        f"Chance {Number(first['chance'])}; n = {first['n_test']}.",
    )
    return Table(name, _caption(first), groups, tuple(rows), notes=notes)


def _caption(first: "pd.Series[Any]") -> str:
    target, metric = str(first["target"]), str(first["metric"]).upper()
    about = f"{dataset_title(first['dataset'])}{f', {target}' if target else ''}, {first['head']}"
    return f"{about}: {metric} by {_SIZES[str(first['varied'])]}, in percent"


def scores_table(scores: pd.DataFrame, name: str) -> Table:
    """Show the scores of one target and varied number: sizes down, features across."""
    first = scores.iloc[0]
    varied = str(first["varied"])
    features = list(dict.fromkeys(scores["features"]))
    metric = str(first["metric"]).upper()
    plain = (Column(_HEADS[varied]), Column("Trained on", "number"), Column("Lacking", "number"))
    cells = (Column(metric, "interval"), Column("Draws", "number"))
    groups = (
        ColumnGroup(plain),
        *(ColumnGroup(cells, one, _stamp(scores, one)) for one in features),
    )
    rows: list[tuple[Cell, ...]] = []
    for size, of_size in scores.groupby("size"):
        of_all = of_size.iloc[0]
        each = f"{of_all['utterances_per_speaker']:.0f}" if varied == "utterances" else str(size)
        row: list[Cell] = [each, round(of_all["num_train"]), int(of_all["num_lacking"]) or None]
        for one in features:
            own = of_size[of_size["features"] == one].iloc[0]
            row += [_number(own["score"], own["low"], own["high"]), Number(own["draw_std"])]
        rows.append(tuple(row))
    lacking = (
        f"Lacking: of {first['num_subsets']} subsets those without one of the classes, which they "
        "never predict.",
    )
    notes = [_INTERVALS, *(lacking if scores["num_lacking"].any() else ())]
    notes += dict.fromkeys(f"No interval: {why}." for why in scores["no_interval"] if why)
    if scores["chance"].any():
        notes.append(f"Chance {Number(first['chance'])}; n = {first['n_test']}.")
    return Table(name, _caption(first), groups, tuple(rows), notes=tuple(notes))


def fits_table(fits: pd.DataFrame, name: str) -> Table:
    """Show the power laws of one target and varied number, a row for each feature."""
    first = fits.iloc[0]
    varied, target = str(first["varied"]), str(first["target"])
    metric, largest = str(first["metric"]).upper(), f"{first['largest']:.0f}"
    columns = (
        *(Column("Features"), Column("Limit", "number"), Column("Exponent", "interval")),
        *(Column(f"{metric} at 2n", "interval"), Column("Gain", "interval")),
    )
    rows = [
        (
            str(row["features"]),
            None if pd.isna(row["limit"]) else Number(float(row["limit"])),
            _of(row, "exponent", scale=1, digits=2),
            _of(row, "score_at_double"),
            _of(row, "gain_per_doubling", is_difference=True),
        )
        for row in fits.to_dict("records")
    ]
    why = [
        f"{row['features']}, not identified: {row['not_identified']}."
        for row in fits.to_dict("records")
        if row["not_identified"]
    ]
    about = f"{dataset_title(first['dataset'])}{f', {target}' if target else ''}, {first['head']}"
    caption = f"{about}: power law over {varied}, and the gain from {largest} to twice as many"
    return Table(name, caption, (ColumnGroup(columns),), tuple(rows), notes=(_LAW, *why))


def _of(row: dict[str, float], name: str, **shown: float) -> Cell:
    if pd.isna(row[name]):
        return None
    return _number(row[name], row[f"{name}_low"], row[f"{name}_high"], **shown)


def _number(value: float, low: float, high: float, **shown: float) -> Number:
    ends = (None, None) if pd.isna(low) else (float(low), float(high))
    return Number(float(value), *ends, **shown)  # type: ignore[arg-type]


def _stamp(scores: pd.DataFrame, name: str) -> str:
    return str(next(filter(None, scores.loc[scores["features"] == name, "stamp"]), ""))
