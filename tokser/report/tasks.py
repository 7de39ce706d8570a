"""What the report must know of a task: which scores it shows, and in which words."""

from dataclasses import dataclass

from tokser.experiments import results
from tokser.report.table import PERCENT, Number

__all__ = ["CLASSIFICATION", "REGRESSION", "TASKS", "Metric", "ReportedTask"]


@dataclass(frozen=True)
class Metric:
    """One score of a task.

    Attributes:
        column: Its name in the results.
        name: Its name in headings.
        scale: 100 where it is shown in percent.
        digits: Decimals that are shown.
        marks_best: Whether the best of a column is marked.
    """

    column: str
    name: str
    scale: float = PERCENT
    digits: int = 1
    marks_best: bool = True

    def number(
        self, value: float, low: float | None = None, high: float | None = None, **marks: bool
    ) -> Number:
        """Return a value of this score, or a difference of two, as a cell."""
        return Number(value, low, high, digits=self.digits, scale=self.scale, **marks)

    def text(self, value: float) -> str:
        """Write a value with its unit."""
        return f"{self.number(value)}{' %' if self.scale == PERCENT else ''}"

    @property
    def axis(self) -> str:
        """Label of an axis."""
        return f"{self.name} [%]" if self.scale == PERCENT else self.name

    @property
    def unit_of_difference(self) -> str:
        """What differences are measured in."""
        return f"points of {self.name}" if self.scale == PERCENT else self.name


@dataclass(frozen=True)
class ReportedTask:
    """What differs between tasks on the page.

    Attributes:
        tables: Its tables of results.
        title: Follows the dataset's name in the heading of the section.
        metrics: What is shown; the first is the headline, and has intervals.
        chance: Column of what the best constant prediction scores; None where that is 0.
        score_notes: What the scores are.
        is_published: Whether the paper has tables of it.
    """

    tables: results.TaskTables
    title: str
    metrics: tuple[Metric, ...]
    chance: str | None
    score_notes: tuple[str, ...]
    is_published: bool = False

    @property
    def headline(self) -> Metric:
        """The score that configurations are compared in."""
        return self.metrics[0]


_INTERVALS = (
    "95 %: jackknife interval, leaving out one speaker (or session) of the test set at a time, on "
    "Student's t."
)
_BEST = (
    "Bold: the highest of its column. It is not an estimate: the test set selected it. Rows "
    "best(…) were selected on dev in each fold, and are estimates."
)

CLASSIFICATION = ReportedTask(
    tables=results.CLASSIFICATION,
    is_published=True,
    title="emotion classification",
    metrics=(
        Metric("uar", "UAR"),
        Metric("accuracy", "Accuracy"),
        Metric("macro_f1", "Macro-F1"),
    ),
    chance="uar_chance",
    score_notes=(
        "In percent, over the predictions of all folds together; summary.csv has means and "
        "standard deviations over folds.",
        _INTERVALS,
        _BEST,
    ),
)
REGRESSION = ReportedTask(
    tables=results.REGRESSION,
    title="dimensional emotion",
    metrics=(
        Metric("ccc", "CCC", scale=1, digits=2),
        Metric("pearson", "Pearson", scale=1, digits=2, marks_best=False),
        Metric("rmse", "RMSE", scale=1, digits=2, marks_best=False),
    ),
    chance=None,
    score_notes=(
        "CCC: concordance correlation with the annotators' mean, over the predictions of all "
        "folds together: 1 where every prediction is exact, 0 for any constant prediction. RMSE is "
        "in the annotators' unit.",
        _INTERVALS,
        _BEST,
    ),
)
TASKS = (CLASSIFICATION, REGRESSION)
"""In the order of their sections."""
