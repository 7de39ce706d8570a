"""What the report must know of a task: which scores it shows, and in which words."""

from dataclasses import dataclass

from tokser.experiments import results
from tokser.report.table import PERCENT, Number

__all__ = [
    "CLASSIFICATION",
    "DISTRIBUTION",
    "MULTILABEL",
    "REGRESSION",
    "TASKS",
    "Metric",
    "ReportedTask",
]


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
DISTRIBUTION = ReportedTask(
    tables=results.DISTRIBUTION,
    title="shares of annotators",
    metrics=(
        Metric("macro_f1", "Macro-F1"),
        Metric("kl_divergence", "KL divergence", scale=1, digits=3, marks_best=False),
        Metric("uar", "UAR, top 1"),
        Metric("accuracy", "Accuracy, top 1"),
    ),
    chance="macro_f1_chance",
    score_notes=(
        "Macro-F1 as in EMO-SUPERB: a class is present where its share is above 1/K, K classes, in "
        "what annotators said and in the prediction. KL divergence of the predicted shares from "
        "theirs, in nats: the smaller, the better. Top 1: the class of largest predicted share "
        "against the class that most annotators chose, where there is one.",
        _INTERVALS,
        _BEST,
    ),
)
MULTILABEL = ReportedTask(
    tables=results.MULTILABEL,
    title="several emotions at once",
    metrics=(Metric("mean_ap", "Mean AP"), Metric("macro_f1", "Macro-F1")),
    chance="mean_ap_chance",
    score_notes=(
        "Mean AP: average precision of each class, averaged over classes; chance is how often a "
        "class is present. Macro-F1: of classes whose probability is at least 1/2. classes.csv has "
        "the scores of each class.",
        _INTERVALS,
        _BEST,
    ),
)
TASKS = (CLASSIFICATION, DISTRIBUTION, MULTILABEL, REGRESSION)
"""In the order of their sections."""
