"""Tables on the terminal."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from tokser.errors import list_some
from tokser.store import Store
from tokser.store.verify import Damage

__all__ = [
    "counts_table",
    "damages_table",
    "faults_table",
    "results_tables",
    "show",
    "store_table",
]

_MOST_ROWS = 20


def show(table: Table) -> None:
    """Print a table on standard output."""
    Console(highlight=False).print(table)


def counts_table(manifest: pd.DataFrame) -> Table:
    """Count a manifest's utterances, by label where it has labels, else by speaker's sex."""
    by = "label" if manifest["label"].any() else "sex"
    table = Table(by, "utterances", "hours", "speakers")
    hours = manifest["num_samples"] / manifest["sampling_rate_hz"].clip(lower=1) / 3600
    for value, part in manifest.groupby(by, sort=True):
        _add_counts(table, str(value) or "unknown", part, hours)
    table.add_section()
    _add_counts(table, "all", manifest, hours)
    return table


def faults_table(reasons: Mapping[str, str]) -> Table:
    """List utterances in quarantine, and why."""
    table = Table("in quarantine", "reason", title=f"{len(reasons)} utterances in quarantine")
    _add_some(table, list(reasons.items()))
    return table


def damages_table(damages: Sequence[Damage]) -> Table:
    """List what `verify` found to be damaged."""
    table = Table("what", "shard", "utterances", "damage", title=f"{len(damages)} damages")
    rows = [
        (
            damage.what,
            "" if damage.shard is None else str(damage.shard),
            list_some(damage.utterances),
            damage.reason,
        )
        for damage in damages
    ]
    _add_some(table, rows)
    return table


def store_table(store: Store) -> Table:
    """Show the features of a store: shape, size, how much of it is committed."""
    utterances = store.attributes.num_utterances
    title = (
        f"{store.path}: {store.dataset}, {utterances} utterances, format {store.attributes.format}"
    )
    table = Table(title=title)
    table.add_column("feature", no_wrap=True)
    for heading in ("rows", "dim", "dtype", "GB", "sealed", "pooled"):
        table.add_column(heading, justify="right")
    pooled = set(store.pooled)
    for name in store.features:
        layer = store[name]
        done = sum(entry is not None for entry in layer.entries)
        table.add_row(
            name,
            f"{layer.num_rows:,}",
            str(layer.dim),
            str(layer.dtype),
            f"{layer.num_rows * layer.dim * layer.dtype.itemsize / 1e9:.3f}",
            f"{100 * done / len(layer.entries):.0f} %",
            "yes" if name in pooled else "no",
        )
    return table


def results_tables(folders: Sequence[Path]) -> Iterator[Table]:
    """Show the scores of each results folder, protocols side by side, in percent."""
    for folder in folders:
        results = pd.read_csv(folder / "results.csv", keep_default_na=False)
        protocols = list(results["protocol"].unique())
        classifiers = results["classifier"].unique()
        title = f"{results['dataset'].iloc[0]}, {' and '.join(classifiers)}, in percent"
        table = Table(title=title, box=box.SIMPLE_HEAD)
        table.add_column("\n\n\nfeatures", no_wrap=True)
        for protocol in protocols:
            part = results[results["protocol"] == protocol]
            leaks = part["leaks"].str.contains("speakers").any()
            stamp = "[red]LEAKS SPEAKERS[/red]" if leaks else ""
            heading = f"{protocol}\nn = {part['n_test'].iloc[0]}\n{stamp}"
            table.add_column(f"{heading}\nUAR", justify="right", no_wrap=True)
            table.add_column("\n\n\nacc", justify="right", no_wrap=True)
        for (features, classifier), part in results.groupby(["features", "classifier"], sort=False):
            by_protocol = part.set_index("protocol")
            cells = [c for p in protocols for c in _score_cells(by_protocol, p)]
            name = f"{features} ({classifier})" if len(classifiers) > 1 else str(features)
            table.add_row(name, *cells)
        yield table


def _score_cells(by_protocol: pd.DataFrame, protocol: str) -> list[str]:
    if protocol not in by_protocol.index:
        return ["", ""]
    row = by_protocol.loc[protocol]
    spread = f" ± {100 * float(row['uar_std']):4.1f}" if row["uar_std"] != "" else ""
    return [f"{100 * float(row['uar']):.1f}{spread}", f"{100 * float(row['accuracy']):.1f}"]


def _add_counts(table: Table, label: str, part: pd.DataFrame, hours: "pd.Series[float]") -> None:
    table.add_row(
        label, str(len(part)), f"{hours[part.index].sum():.2f}", str(part["speaker"].nunique())
    )


def _add_some(table: Table, rows: Sequence[tuple[str, ...]]) -> None:
    for row in rows[:_MOST_ROWS]:
        table.add_row(*row)
    if len(rows) > _MOST_ROWS:
        table.add_row(f"and {len(rows) - _MOST_ROWS} more", *[""] * (len(rows[0]) - 1))
