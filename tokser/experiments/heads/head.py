"""What a head is: what is trained on features. One interface, one file for each."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, runtime_checkable

from tokser.config import GridSettings
from tokser.experiments.heads.trained_head import FittedHead
from tokser.experiments.search_space import Space
from tokser.experiments.statistics.crossfit import HalfScores
from tokser.experiments.task import Loss
from tokser.experiments.training_data import TrainingData

__all__ = [
    "Choice",
    "FitFold",
    "FittedFold",
    "Fitting",
    "FoldHead",
    "FoldProcesses",
    "Head",
    "Workers",
]


@runtime_checkable
class Workers(Protocol):
    """What hands tasks to other processes, and yields each item with its result."""

    def map(self, task: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """Call `task` with every item somewhere, in any order."""


class FittedFold(NamedTuple):
    """What came of one fold.

    Attributes:
        params: The selected point, as the ledger names it.
        trials: A row of each point, in the order of the grid, see `SearchResult.trials`.
        fitted: The head that predicts the fold's test part.
        halves: The epochs that each half of dev prefers, of each point.
        before_refit: The head as dev selected it, which has not been trained on dev; None: that is
            `fitted`.
    """

    params: dict[str, Any]
    trials: list[dict[str, Any]]
    fitted: FittedHead
    halves: Sequence[HalfScores] = ()
    before_refit: FittedHead | None = None


FitFold = Callable[[int, Callable[[int], None]], FittedFold]
"""Takes the number of a fold, and what is told how many models were fitted."""


@runtime_checkable
class FoldHead(Protocol):
    """A head that fits one fold at a time."""

    def fit_fold(self, data: TrainingData, how: "Fitting") -> FitFold:
        """Return what fits a fold on the caller's thread."""


@runtime_checkable
class FoldProcesses(Protocol):
    """Processes that fit folds beside this one, see `fold_processes`."""

    @property
    def number(self) -> int:
        """How many are there."""

    def beside(
        self, fit_here: FitFold, head: FoldHead, data: TrainingData, how: "Fitting"
    ) -> FitFold:
        """Return what fits a fold in whichever process is free."""


class Choice(NamedTuple):
    """What is fitted on all utterances, after every fold had its say.

    Attributes:
        point: Position of the point in the order of the grid.
        epochs: Epochs of a network; None where a head has no epochs.
        fold: Position of the fold whose best epoch that is: its learning rates are followed.
    """

    point: int
    epochs: int | None = None
    fold: int = 0


@dataclass(frozen=True)
class Fitting:
    """How a head is fitted.

    Attributes:
        refit: Whether what is selected is trained again, on train and dev together.
        on_models: Called with the number of models trained since the last call.
        workers: Processes that networks are trained by; none: this one.
        study: Name under which a search keeps its trials.
        keeps_selected: Whether what dev selected is handed out as it was before the refit, too.
        processes: What fits folds of heads without epochs beside this process; none: threads.
    """

    refit: bool = True
    on_models: Callable[[int], None] = lambda count: None
    workers: Workers | None = None
    study: str = ""
    keeps_selected: bool = False
    processes: FoldProcesses | None = None


class Head(ABC):
    """Fits the points of a grid on each fold, selects one by dev, and predicts.

    Attributes:
        losses: What it can minimise; a task's loss is among them.
        is_random: Whether its result depends on the seed.
        is_network: Whether it is trained on a device, and by workers.
        lists_points_first: Whether trials are listed point by point, and not fold by fold: means
            over folds are summed in that order, and their last digit depends on it.
        mixes: Whether it learns the weights of the layers of `mix(...)`.
        shares_seeds: Whether several seeds train together on the same batches, see `fit_seeds`.
        has_probabilities: Whether it puts out probabilities of classes; if not, a softmax of its
            decision values stands for them.
    """

    losses: ClassVar[frozenset[Loss]]
    is_random: ClassVar[bool] = True
    is_network: ClassVar[bool] = False
    lists_points_first: ClassVar[bool] = False
    mixes: ClassVar[bool] = False
    shares_seeds: ClassVar[bool] = False
    has_probabilities: ClassVar[bool] = True

    @property
    def kinds(self) -> tuple[str, ...]:
        """What the terms of a sum have to be, `speech` or `text`, in order; none: anything."""
        return ()

    @property
    def reads(self) -> Literal["functionals", "means", "frames"]:
        """What it is trained on: functionals, pooled means that stand for frames, or frames."""
        return "functionals"

    def require_settings(self, grid: GridSettings) -> None:  # noqa: B027  most have no such
        """Raise `SettingsError` if settings ask for something that the head has not."""

    def space(self, grid: GridSettings) -> Space | None:
        """Return what a search may draw points from; None: its points are few, and all tried."""
        return None

    def at(self, point: Mapping[str, Any], grid: GridSettings) -> "tuple[Head, GridSettings]":
        """Return the head and the grid that try one point of its space, and nothing else."""
        raise NotImplementedError(f"{type(self).__name__} has no space")

    @abstractmethod
    def num_points(self, grid: GridSettings) -> int:
        """Count the points that each fold tries."""

    def num_models(self, num_folds: int, grid: GridSettings, *, refit: bool = True) -> int:
        """Count the models that a search trains."""
        return num_folds * (self.num_points(grid) + refit)

    @abstractmethod
    def fit(self, data: TrainingData, how: Fitting) -> Generator[FittedFold, None, None]:
        """Yield each fold, in order, with what its own dev part selected.

        The first point that is best on dev is selected; a network counts at its best epoch.

        Args:
            data: What it is trained on; nothing of a test part is read before it is predicted.
            how: Refit, progress, workers.
        """

    def fit_seeds(
        self, data: TrainingData, seeds: Sequence[int], how: Fitting
    ) -> Generator[tuple[FittedFold, ...], None, None]:
        """Yield each fold, in order, as `fit` leaves it with each seed, up to rounding.

        Args:
            data: What it is trained on; its own seed does not matter.
            seeds: The seeds.
            how: Refit, progress, workers.
        """
        raise NotImplementedError(f"{type(self).__name__} trains a seed at a time")

    @abstractmethod
    def fit_all(self, data: TrainingData, choice: Choice) -> FittedHead:
        """Fit one point on every utterance of the data.

        Args:
            data: What it is trained on; its splits are those that the choice was made by.
            choice: The point, and how long a network is trained.
        """
