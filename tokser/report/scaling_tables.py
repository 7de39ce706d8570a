"""Learning curves as tables: scores by size, and the power law of each curve."""

from collections.abc import Iterator

import pandas as pd

from tokser.report.table import Cell, Column, ColumnGroup, Number, Table

__all__ = ["scaling_tables"]

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
    "1 - score = error limit + factor · n^(-exponent), in percent but for the exponent. 95 %: "
    "bootstrap over test speakers and draws."
)


def scaling_tables(scores: pd.DataFrame, fits: pd.DataFrame) -> Iterator[Table]:
    """Yield a table of scores for each target and varied number, then one of its power laws.

    Args:
        scores: See `experiments.scaling.table.SCALING`.
        fits: The same, `FITS`.
    """
    for (target, varied), own in scores.groupby(["target", "varied"], sort=False):
        yield _scores_table(own, str(target), str(varied))
    for (target, varied), own in fits.groupby(["target", "varied"], sort=False):
        yield _fits_table(own, str(target), str(varied))


def _scores_table(scores: pd.DataFrame, target: str, varied: str) -> Table:
    first = scores.iloc[0]
    names = list(dict.fromkeys(scores["features"]))
    metric = str(first["metric"]).upper()
    plain = (Column(_HEADS[varied]), Column("Trained on", "number"), Column("Lacking", "number"))
    cells = (Column(metric, "interval"), Column("Draws", "number"))
    groups = (
        ColumnGroup(plain),
        *(ColumnGroup(cells, name, _stamp(scores, name)) for name in names),
    )
    rows: list[tuple[Cell, ...]] = []
    for size, of_size in scores.groupby("size"):
        one = of_size.iloc[0]
        each = str(size) if varied == "speakers" else f"{one['utterances_per_speaker']:.0f}"
        row: list[Cell] = [each, round(one["num_train"]), int(one["num_lacking"]) or None]
        for name in names:
            own = of_size[of_size["features"] == name].iloc[0]
            row += [_number(own["score"], own["low"], own["high"]), Number(own["draw_std"])]
        rows.append(tuple(row))
    about = f"{first['dataset']}{f', {target}' if target else ''}, {first['head']}"
    lacking = (
        f"Lacking: of {first['num_subsets']} subsets those without one of the classes, which they "
        "never predict.",
    )
    notes = [_INTERVALS, *(lacking if scores["num_lacking"].any() else ())]
    notes += dict.fromkeys(f"No interval: {why}." for why in scores["no_interval"] if why)
    if scores["chance"].any():
        notes.append(f"Chance {Number(first['chance'])}; n = {first['n_test']}.")
    name = "-".join(filter(None, ("scaling", target, varied)))
    caption = f"{about}: {metric} by {_SIZES[varied]}, in percent"
    return Table(name, caption, groups, tuple(rows), notes=tuple(notes))


def _fits_table(fits: pd.DataFrame, target: str, varied: str) -> Table:
    first = fits.iloc[0]
    metric, largest = str(first["metric"]).upper(), f"{first['largest']:.0f}"
    columns = (
        *(Column("Features"), Column("Error limit", "interval"), Column("Exponent", "interval")),
        *(Column(f"{metric} at 2n", "interval"), Column("Gain", "interval")),
    )
    rows = [
        (
            str(row["features"]),
            _of(row, "limit"),
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
    about = f"{first['dataset']}{f', {target}' if target else ''}, {first['head']}"
    caption = f"{about}: power law over {varied}, and the gain from {largest} to twice as many"
    name = "-".join(filter(None, ("scaling-fits", target, varied)))
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
