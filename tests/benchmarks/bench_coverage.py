"""Whether intervals cover, tests keep their level, and headlines are unbiased: simulated.

`make bench-coverage` writes `build/bench/coverage.json` and sections of `docs/statistics.md`.
"""

import os
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from coverage_data import Case, concordance_case, fixed_cases, systems, trained_cases
from ratios import markdown_table, missed, replace_section, write_figures
from rich.console import Console
from rich.markdown import Markdown

from tokser.experiments.statistics.metrics import uar_from_confusion
from tokser.experiments.statistics.permutation import compare_all
from tokser.experiments.statistics.unit_sums import estimate, estimate_difference
from tokser.intervals import MIN_UNITS
from tokser.progress import progress_bar

UNITS = (3, 4, 6, 10, 24, 40)
ENOUGH = 6
"""Units from which on coverage has to be near 95 %."""
NUM_CORPORA = 1_000
NUM_FAMILIES = 300
NUM_NOISE = 1_000
TARGETS = {
    "coverage_lowest": (93, 100),
    "coverage_mean": (93, 97),
    "family_wise_error_highest": (0, 8),
    "nested_on_noise_bias": (-0.3, 0.3),
}


def main() -> int:
    """Simulate everything; returns the exit code: 1 where a target is missed."""
    page = Path(sys.argv[1])
    figures: dict[str, float] = {}
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        replace_section(page, "Coverage of the intervals", _coverage(pool, figures))
        replace_section(page, "Paired tests: error and power", _paired(pool, figures))
    replace_section(page, "Choices on noise", _noise(figures))
    write_figures("coverage", figures)
    Console().print(Markdown(page.read_text(encoding="utf-8")))
    faults = missed(figures, TARGETS)
    for fault in faults:
        Console(stderr=True).print(f"missed: {fault}")
    return 1 if faults else 0


def _coverage(pool: ProcessPoolExecutor, figures: dict[str, float]) -> str:
    names = [case.name for case in all_cases()]
    tasks = [(number, units) for number in range(len(names)) for units in UNITS]
    rows = {name: [name] for name in names}
    cells = []
    with progress_bar("coverage", total=len(tasks), unit="cells") as bar:
        for (number, units), cell in zip(tasks, pool.map(cover, *zip(*tasks, strict=True)),
                                         strict=True):  # fmt: skip
            bar.advance(1)
            rows[names[number]].append(cell["text"])
            if units >= ENOUGH:
                cells.append(cell["coverage"])
    figures["coverage_lowest"], figures["coverage_highest"] = min(cells), max(cells)
    figures["coverage_mean"] = float(np.mean(cells))
    header = ("corpus and protocol", *(f"{units} units" for units in UNITS))
    return f"""
How often the printed 95 % interval holds what the score estimates, in percent of
{NUM_CORPORA:,} simulated corpora, and behind it the mean width and the bias of the score in points.
A unit is a speaker, or a session of two. Four classes; standard error of a cell: 0.7.
From {ENOUGH} units on: {min(cells):.1f} to {max(cells):.1f}, {np.mean(cells):.1f} on average. With
three units there is no interval.

{markdown_table(header, list(rows.values()))}
"""


def all_cases() -> list[Case]:
    """Return all cases; the last one is a difference of two systems."""
    return [*fixed_cases(), *trained_cases(), concordance_case(), _difference_case()]


def _difference_case() -> Case:
    """Return the case of a paired difference; its estimate is made in `cover`."""

    def truth(rng: np.random.Generator, num_units: int) -> float:
        first, second = systems(rng, 4_000, np.array([1.4, 0.9])).values()
        return estimate_difference(first, second, uar_from_confusion)[0]

    def draw(rng: np.random.Generator, num_units: int):
        return tuple(systems(rng, num_units, np.array([1.4, 0.9])).values())

    return Case("difference of two fixed classifiers", draw, truth, "difference")


def cover(number: int, num_units: int) -> dict[str, object]:
    """Simulate one cell of the table."""
    case = all_cases()[number]
    rng = np.random.default_rng([number, num_units])
    truth = case.truth(rng, num_units)
    held, widths, values = 0, [], []
    for _ in range(NUM_CORPORA if num_units >= MIN_UNITS else 5):
        drawn = case.draw(rng, num_units)
        if case.scale == "difference":
            value, interval = estimate_difference(*drawn, case.score)
        else:
            value, interval = estimate(drawn, case.score, case.scale)
        if interval.missing:
            continue
        held += interval.low <= truth <= interval.high
        widths.append(interval.high - interval.low)
        values.append(value)
    if not widths:
        return {"text": "none", "coverage": float("nan")}
    coverage = 100 * held / len(widths)
    bias = 100 * (np.mean(values) - truth)
    text = f"{coverage:.1f} ({100 * np.mean(widths):.0f}, {bias:+.1f})"
    return {"text": text, "coverage": coverage}


def _paired(pool: ProcessPoolExecutor, figures: dict[str, float]) -> str:
    cases = {
        "7 systems, all equal": np.zeros(7),
        "13 layers, all equal": np.zeros(13),
        "13 layers, half of them equal": np.repeat([0.0, 1.0], [7, 6]),
        "7 systems, up to 10 points apart": np.linspace(0, 0.55, 7),
        "13 layers, up to 40 points apart": np.linspace(-0.9, 0.9, 13),
    }
    tasks = [(name, units) for name in cases for units in (10, 24)]
    rows, errors = [], []
    work = [(cases[name], units) for name, units in tasks]
    with progress_bar("paired tests", total=len(tasks), unit="cells") as bar:
        found = pool.map(compare_families, *zip(*work, strict=True))
        for (name, units), cell in zip(tasks, found, strict=True):
            bar.advance(1)
            told = [f"{100 * cell[key]:.1f}" if key in cell else "" for key in (
                "error max-t", "error Holm", "power max-t", "power Holm")]  # fmt: skip
            rows.append([name, str(units), *told])
            if "error max-t" in cell:
                errors.append(100 * cell["error max-t"])
            if "power max-t" in cell:
                key = f"power_{len(cases[name])}_systems_{units}_speakers"
                figures[key] = 100 * cell["power max-t"]
    figures["family_wise_error_highest"] = max(errors)
    header = (
        "systems", "speakers", "one false find: max-t", "one false find: Holm",
        "true pairs found: max-t", "true pairs found: Holm",
    )  # fmt: skip
    return f"""
{NUM_FAMILIES} families of fixed systems on the same utterances, all pairs tested together at 5 %;
in percent of families (one false find or more, standard error 1.3) and of the pairs that truly
differ. Holm: over the same swaps' p-values, which are discrete: with ten speakers none is below
0.002.

{markdown_table(header, rows)}
"""


def compare_families(levels: np.ndarray, num_units: int) -> Mapping[str, float]:
    """Simulate families of systems of these levels; equal levels are truly equal."""
    rng = np.random.default_rng([len(levels), num_units, round(100 * float(levels.max()))])
    names = [f"s{number}" for number in range(len(levels))]
    level = dict(zip(names, levels, strict=True))
    false: dict[str, list[bool]] = {"max-t": [], "Holm": []}
    true: dict[str, list[float]] = {"max-t": [], "Holm": []}
    for _ in range(NUM_FAMILIES):
        found = compare_all(systems(rng, num_units, levels + 1.0), uar_from_confusion, seed=0)
        differs = np.array([level[c.first] != level[c.second] for c in found])
        p_values = {
            "max-t": np.array([c.p_adjusted for c in found], dtype=float),
            "Holm": holm(np.array([c.p for c in found], dtype=float)),
        }
        for how, p in p_values.items():
            if not differs.all():
                false[how].append(bool((p[~differs] <= 0.05).any()))
            if differs.any():
                true[how].append(float((p[differs] <= 0.05).mean()))
    result = {f"error {how}": float(np.mean(x)) for how, x in false.items() if x}
    return result | {f"power {how}": float(np.mean(x)) for how, x in true.items() if x}


def holm(p_values: np.ndarray) -> np.ndarray:
    """Adjust p-values by Holm's method."""
    order = np.argsort(p_values, kind="stable")
    scaled = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1)
    return adjusted


def _noise(figures: dict[str, float]) -> str:
    """Guess at random with 14 rows, and look at three ways of naming one score."""
    rng = np.random.default_rng(0)
    rows, speakers, classes, per_class = 14, 10, 7, 8
    truth = np.tile(np.repeat(np.arange(classes), per_class), (speakers, 1))
    ways: dict[str, list[float]] = {"highest": [], "mean dev": [], "nested": []}
    for _ in range(NUM_NOISE):
        guess = rng.integers(0, classes, (rows, *truth.shape))
        hit = guess == truth  # a row's luck with an utterance is the same in dev and in test
        per_speaker = _uar_of(hit)
        pooled = per_speaker.mean(axis=1)
        dev = (np.roll(per_speaker, -1, axis=1) + np.roll(per_speaker, -2, axis=1)) / 2
        chosen = dev.argmax(axis=0)
        ways["highest"].append(pooled.max())
        ways["mean dev"].append(pooled[dev.mean(axis=1).argmax()])
        ways["nested"].append(per_speaker[chosen, np.arange(speakers)].mean())
    means = {way: 100 * float(np.mean(values)) for way, values in ways.items()}
    chance = 100 / classes
    figures["nested_on_noise_bias"] = means["nested"] - chance
    figures["highest_on_noise_bias"] = means["highest"] - chance
    figures["mean_dev_on_noise_bias"] = means["mean dev"] - chance
    names = {
        "highest": "the highest of 14 rows on test",
        "mean dev": "the row with the highest mean dev UAR over all folds",
        "nested": "what dev chose in each fold: `best(...)`, the headline",
    }
    told = [[names[way], f"{value:.1f}", f"{value - chance:+.1f}"] for way, value in means.items()]
    table = markdown_table(("the score that is named", "mean UAR", "above chance"), told)
    return f"""
{NUM_NOISE:,} corpora of ten speakers, seven classes, 14 rows that guess at random: chance is
{chance:.1f} %. Every test speaker is in the dev part of two other folds, which is why the mean over
folds is no honest choice either.

{table}
"""


def _uar_of(hit: np.ndarray) -> np.ndarray:
    """Return the UAR of equally many utterances of each class, over the last axis."""
    return np.asarray(hit.mean(axis=-1))


if __name__ == "__main__":
    sys.exit(main())
