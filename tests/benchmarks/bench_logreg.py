"""Logistic regression and SVM beside scikit-learn.

`make bench-logreg` writes a section of docs/benchmarks.md. Models are timed in processor time on
one thread, which other work changes less than wall time; searches by the clock, on all cores. It
extracts EmoDB as `bench_emodb` does, into `build/bench/emodb.zarr`, and needs TOKSER_TEST_DATA;
TOKSER_BENCH_STORE names a pooled store of EmoDB instead.
"""

import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from bench_emodb import _extract
from logreg_peers import fit_folds
from ratios import machine, markdown_table, medians, replace_section, write_figures
from rich.console import Console
from rich.markdown import Markdown
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from tokser.config import GridSettings
from tokser.experiments.classification import PROBABILITY, Classification
from tokser.experiments.heads.gaussian_svm import TrainingKernel
from tokser.experiments.heads.logistic_fit import fit_labels
from tokser.experiments.heads.registry import HEADS
from tokser.experiments.heads.svm import SVMHead
from tokser.experiments.search import search
from tokser.experiments.splits.protocols import make_splits
from tokser.experiments.training_data import TrainingData
from tokser.functionals.standardise import Standardiser
from tokser.store import open_store
from tokser.threads import num_threads

FEATURE = "whisper-base/layer-3"
ACCURATE = 1e-4
"""Largest distance of a probability of a test row from the optimum, at equal accuracy."""
LIBSVM = 1e-2
"""Largest distance of decisions: libsvm stops 1e-3 from its optimum."""
TOLERANCES = (1e-5, 1e-6, 1e-7, 1e-8, 1e-9)
REPEATS = 5


class Problem(NamedTuple):
    """Standardised rows of a training part and of a test part."""

    train: np.ndarray
    labels: np.ndarray
    test: np.ndarray


def main() -> int:
    """Measure, and write the section."""
    page = Path(sys.argv[1])
    path = os.environ.get("TOKSER_BENCH_STORE") or _extract(Path(os.environ["TOKSER_TEST_DATA"]))
    problems = {"EmoDB": _emodb(path), "RAVDESS' size": _mixed(path)}
    rows, figures = [], {}
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tight tolerances end where rounding does
        for name, problem in problems.items():
            ours, default, equal = _compared(problem)
            shape = " x ".join(f"{number:,}" for number in problem.train.shape)
            size = f"{name}, {shape}, {len(set(problem.labels))} classes"
            rows += [[f"{size}: logreg", *_cells(ours)]]
            rows += [[f"{size}: scikit-learn, its default", *_cells(default)]]
            rows += [[f"{size}: scikit-learn, as accurate", *_cells(equal)]]
            key = name.split("'")[0].lower()
            figures[f"logreg_vs_sklearn_{key}"] = equal.seconds / ours.seconds
            figures[f"logreg_vs_sklearn_default_{key}"] = default.seconds / ours.seconds
            own, peer = _svm(problem)
            rows += [[f"{size}: svm, four costs", f"{1e3 * own.seconds:.0f}", ""]]
            rows += [[f"{size}: scikit-learn's SVC", f"{1e3 * peer.seconds:.0f}", ""]]
            figures[f"svm_vs_sklearn_{key}"] = peer.seconds / own.seconds
    searched, ratios = _searches(path)
    figures |= ratios
    write_figures("logreg", figures)
    replace_section(page, "Logistic regression", _section(rows, searched))
    Console().print(Markdown(page.read_text(encoding="utf-8")))
    return 0


class Measured(NamedTuple):
    """Seconds of a fit, and the largest distance of a test row's probability from the optimum."""

    seconds: float
    distance: float


def _emodb(path: str) -> Problem:
    """Return EmoDB without its first speaker, who is the test part."""
    values, labels, speakers = _functionals(path)
    is_test = speakers == min(speakers)
    return _problem(values, labels, is_test)


def _mixed(path: str) -> Problem:
    """Return 1,380 mixtures of two recordings of EmoDB and noise, an eighth class, 200 to test."""
    values, labels, _ = _functionals(path)
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, len(values), (2, 1580))
    share = rng.uniform(0.5, 1, (1580, 1))
    noise = 0.3 * values.std(axis=0) * rng.normal(size=(1580, values.shape[1]))
    mixed = (share * values[first] + (1 - share) * values[second] + noise).astype(np.float32)
    known = labels[first]
    known[(known == known[0]) & (rng.random(1580) < 0.5)] = "eighth"
    return _problem(mixed, known, np.arange(1580) >= 1380)


def _functionals(path: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    store = open_store(path)
    table = store[FEATURE].functionals()
    people = store.utterances.loc[table.index]
    return table.to_numpy(), people["label"].to_numpy(object), people["speaker"].to_numpy()


def _problem(values: np.ndarray, labels: np.ndarray, is_test: np.ndarray) -> Problem:
    scaling = Standardiser.fit(values[~is_test])
    scaled = scaling.apply(values)
    return Problem(scaled[~is_test], labels[~is_test], scaled[is_test])


def _compared(problem: Problem) -> tuple[Measured, Measured, Measured]:
    """Measure this solver, scikit-learn's default, and its first tolerance that is as accurate."""
    wide = problem.train.astype(np.float64)
    optimum = LogisticRegression(tol=1e-10, max_iter=50_000).fit(wide, problem.labels)
    wanted = optimum.predict_proba(problem.test.astype(np.float64))

    def measured(fit: Callable[[], Any], repeats: int = REPEATS) -> Measured:
        seconds = []
        for _ in range(repeats):
            begun = time.process_time()
            model = fit()
            seconds.append(time.process_time() - begun)
        found = model.predict_proba(problem.test.astype(np.float64))
        return Measured(float(np.median(seconds)), float(np.abs(found - wanted).max()))

    ours = measured(lambda: fit_labels(problem.train, problem.labels))
    default = measured(
        lambda: LogisticRegression(max_iter=50_000).fit(problem.train, problem.labels)
    )
    for tolerance in TOLERANCES:
        model = LogisticRegression(tol=tolerance, max_iter=50_000)
        equal = measured(lambda model=model: model.fit(wide, problem.labels), 2)
        if equal.distance <= ACCURATE:
            break
    return ours, default, equal


def _svm(problem: Problem) -> tuple[Measured, Measured]:
    """Fit every cost and decide the test rows; how far decisions are from scikit-learn's."""
    costs = SVMHead.values

    def ours() -> list[np.ndarray]:
        kernel = TrainingKernel(problem.train)
        fitted = [kernel.fit(problem.labels, cost, None) for cost in costs]
        return [own.decision_function(problem.test) for own in fitted]

    def theirs() -> list[np.ndarray]:
        fitted = [SVC(C=cost).fit(problem.train, problem.labels) for cost in costs]
        return [own.decision_function(problem.test) for own in fitted]

    distance = _distance(ours(), theirs())
    if distance > LIBSVM:
        raise SystemExit(f"decisions are {distance:g} apart: that is no rounding")
    seconds = medians({"ours": ours, "theirs": theirs})
    return Measured(seconds["ours"], distance), Measured(seconds["theirs"], 0.0)


def _searches(path: str) -> tuple[list[list[str]], dict[str, float]]:
    """Measure all folds of one layer: `search`, and the loop over scikit-learn."""
    store = open_store(path)
    table = store[FEATURE].functionals()
    people = store.utterances.loc[table.index]
    splits = make_splits("speaker", people, seed=0)
    task, head = Classification(), HEADS["logreg"]
    parts = [(own.train, own.dev, own.test) for own in splits]
    folds = [tuple(table.index.get_indexer(list(ids)) for ids in own) for own in parts]
    values, labels = table.to_numpy(np.float64), people["label"].to_numpy(object)
    num_jobs = num_threads()

    def ours() -> list[np.ndarray]:
        data = TrainingData(task, table, people["label"], splits, GridSettings(), 0)
        found = search(head, data).predictions
        columns = [name for name in found if name.startswith(PROBABILITY)]
        own = found.groupby("fold", sort=False)
        return [rows[columns].to_numpy() for _, rows in own]

    def theirs(tolerance: float) -> Callable[[], list[np.ndarray]]:
        return lambda: fit_folds(values, labels, folds, tolerance, num_jobs)

    optimum = theirs(1e-10)()  # starts the processes, too
    for tolerance in TOLERANCES:
        if _distance(theirs(tolerance)(), optimum) <= ACCURATE:
            break
    ways = {"logreg": ours, f"scikit-learn, tolerance {tolerance:g}": theirs(tolerance)}
    seconds = medians(ways)
    rows = [
        [name, f"{seconds[name]:.2f}", f"{_distance(way(), optimum):.0e}"]
        for name, way in ways.items()
    ]
    fast, slow = seconds.values()
    return rows, {"logreg_search_s": fast, "logreg_search_vs_sklearn": slow / fast}


def _distance(found: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> float:
    pairs = zip(found, wanted, strict=True)
    return max(float(np.abs(one - other).max()) for one, other in pairs)


def _cells(one: Measured) -> list[str]:
    return [f"{1e3 * one.seconds:.0f}", f"{one.distance:.0e}"]


def _section(rows: list[list[str]], searched: list[list[str]]) -> str:
    models = markdown_table(["", "ms of processor", "off the optimum"], rows)
    searches = markdown_table(["", "seconds", "off the optimum"], searched)
    return (
        "One model, C = 1, on one thread, with processor time; how far the probability of a test "
        "row is from the optimum at most. scikit-learn is as accurate at the first of the "
        f"tolerances {', '.join(f'{t:g}' for t in TOLERANCES)} that leaves it within {ACCURATE:g}, "
        "in float64. RAVDESS' size: mixtures of two recordings of EmoDB and noise, which are "
        "harder than recordings. svm: every cost fitted, test rows decided; decisions are "
        f"scikit-learn's within {LIBSVM:g}.\n\n{models}\n\n"
        "One layer of EmoDB, each of ten speakers left out once: fit on train, score dev, fit on "
        "train and dev, predict test, 20 models; by the clock, on all cores. logreg: `search`, as "
        "experiments call it. scikit-learn: a loop over the folds by joblib, a process for each "
        f"core, already started, at the first tolerance that is as accurate.\n\n{searches}\n\n"
        f"On {machine()}."
    )


if __name__ == "__main__":
    sys.exit(main())
