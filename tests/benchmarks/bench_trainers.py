"""The two trainers of the grid on the same work: is the compiled one worth its code?

One layer of Table 2's baseline grid (18 points, 30 epochs): EmoDB's size with all ten folds,
IEMOCAP's with one. Both trainers in turns, in one run. `make bench-trainers` writes
`docs/benchmarks.md`.
"""

import sys
from pathlib import Path
from unittest import mock

import numpy as np
from bench_grid import GRID, PACKAGES, SIZES, Size, corpus, measure_compiling, ours
from ratios import machine, markdown_table, missed, replace_section, versions, write_figures
from rich.console import Console
from rich.markdown import Markdown

from tokser.experiments.heads.mlp import groups
from tokser.experiments.splits.protocols import make_splits

TARGETS = {"batched_vs_compiled": (3, np.inf)}
FOLDS = {"emodb": 10, "iemocap": 1}
ROUNDS = 2

Figures = dict[str, float]


def measure_size(size: Size) -> tuple[Figures, list[str]]:
    """Time both trainers; returns figures, and a row of the page's table."""
    tables, utterances = corpus(size._replace(timed_layers=1))
    labels, splits = utterances["label"], make_splits("speaker", utterances, seed=0)
    timed = splits[: FOLDS[size.name]]
    compiled, batched = [], []
    for _ in range(ROUNDS):
        compiled.append(ours(tables, labels, timed))
        with mock.patch.object(groups, "_is_compiled", lambda data: False):
            batched.append(ours(tables, labels, timed))
    fast, plain = min(compiled), min(batched)
    figures = {
        f"compiled_s_{size.name}": fast,
        f"batched_s_{size.name}": plain,
        f"batched_vs_compiled_{size.name}": plain / fast,
    }
    what = f"{size.name}: {size.utterances:,} x {size.features:,}, folds: {len(timed)}"
    return figures, [what, f"{fast:.1f}", f"{plain:.1f}", f"{plain / fast:.1f}"]


def run() -> tuple[Figures, str]:
    """Measure, print, and write `build/bench/trainers.json`."""
    figures, told = measure_compiling()
    tables, utterances = corpus(SIZES[0]._replace(timed_layers=1))
    splits = make_splits("speaker", utterances, seed=0)[:1]
    ours(tables, utterances["label"], splits)  # loads what was compiled
    rows = []
    for size in SIZES:
        own, row = measure_size(size)
        figures |= own
        rows.append(row)
    ratios = [figures[f"batched_vs_compiled_{size.name}"] for size in SIZES]
    figures["batched_vs_compiled"] = min(ratios)
    table = markdown_table(["one layer", "compiled, s", "batched, s", "ratio"], rows)
    text = (
        f"The same grid ({len(GRID.batch_sizes) * len(GRID.learning_rates)} points, "
        f"{GRID.epochs} epochs) by the compiled per-model trainer and by the batched one, "
        f"in turns, the faster of {ROUNDS} rounds each. The compiled trainer stays while it is at "
        f"least 3 times as fast.\n\n{table}\n\n{told}\n\n"
        f"Measured on {machine()}; {versions(('tokser', *PACKAGES))}."
    )
    write_figures("trainers", figures)
    Console().print(Markdown(text))
    Console().print(figures)
    return figures, text


def test_the_compiled_trainer_is_worth_its_code():
    figures, _ = run()
    assert missed(figures, TARGETS) == []


if __name__ == "__main__":
    found, section = run()
    replace_section(Path(sys.argv[1]), "The grid's two trainers", section)
    sys.exit("\n".join(missed(found, TARGETS)) or None)
