"""`tokser.classify` and `tokser.regress`: from features to scores, as `Results`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

from tokser.api.options import ClassifyOptions, RegressOptions
from tokser.api.results import Results
from tokser.api.stores import AnyStore, addresses_of, folder_beside, joined
from tokser.config import ClassifySettings, RegressSettings
from tokser.config.keywords import settings_from
from tokser.experiments.dataset import ExperimentSettings, identities, read_expressions
from tokser.experiments.experiment import stamp_of
from tokser.experiments.task import Task
from tokser.missing_packages import names_missing_packages
from tokser.progress import say
from tokser.stages.classify import classify as run_classify
from tokser.stages.classify import task_of as classify_task
from tokser.stages.regress import regress as run_regress
from tokser.stages.regress import task_of as regress_task
from tokser.store import Store

__all__ = ["classify", "regress"]

_UNNAMED = "unnamed"


@names_missing_packages
def classify(
    store: AnyStore | Sequence[AnyStore],
    *,
    features: str | Sequence[str] | None = None,
    protocols: str | Sequence[str] | None = None,
    heads: str | Sequence[str] | None = None,
    out: str | Path | None = None,
    **options: Unpack[ClassifyOptions],
) -> Results:
    """Train and score emotion classifiers on functionals, under several protocols.

    Args:
        store: A store whose features are pooled; or several, which are read as one dataset.
        features: Expressions such as `whisper-base/layer-*`; without, all that are pooled.
        protocols: `random`, `speaker`, `fixed`, `text`, `kfold`; without, random and speaker.
        heads: `mlp`, `linear`, `logreg`, `svm`, `mlp-sklearn`; without, mlp.
        out: Folder of the results; without, one beside the store, `NAME-results/classify-DIGEST`,
            which is the same for the same settings and data: the same call goes on, or is done.
        **options: As `tokser classify --help` shows them: `grid`, `epochs`, `num_seeds`...

    Raises:
        InputError: A keyword, an expression, a label or the folder is not what it should be.
        StoreError: The store is damaged, or holds another dataset.

    Example:
        >>> import tokser
        >>> results = tokser.classify(
        ...     "workspace/stores/emodb.zarr",
        ...     features="whisper-base/layer-3",
        ...     protocols="speaker",
        ...     heads="logreg",
        ... )
        >>> results.scores[["features", "protocol", "n_test"]].values.tolist()
        [['whisper-base/layer-3', 'speaker', 30]]
    """
    main = {"features": features, "protocols": protocols, "heads": heads}
    there, keywords = _with_places(store, {**main, **options}, out)
    settings = settings_from(ClassifySettings, keywords, where="tokser.classify")
    return Results(run_classify(_placed(classify_task(settings), settings, there)))


@names_missing_packages
def regress(
    store: AnyStore | Sequence[AnyStore],
    *,
    features: str | Sequence[str] | None = None,
    protocols: str | Sequence[str] | None = None,
    heads: str | Sequence[str] | None = None,
    out: str | Path | None = None,
    **options: Unpack[RegressOptions],
) -> Results:
    """Predict valence, arousal and dominance from functionals, under several protocols.

    Args:
        store: A store whose features are pooled, of a corpus with ratings; or several, which are
            read as one dataset.
        features: Expressions such as `whisper-base/layer-*`; without, all that are pooled.
        protocols: As for `classify`.
        heads: `ridge`, `mlp`, `linear`, `mlp-sklearn`; without, ridge.
        out: Folder of the results; without, one beside the store, `NAME-results/regress-DIGEST`.
        **options: As `tokser regress --help` shows them: `targets`, `loss`, `num_seeds`...

    Raises:
        InputError: A keyword, an expression, a rating or the folder is not what it should be.
        StoreError: The store is damaged, or holds another dataset.
    """
    main = {"features": features, "protocols": protocols, "heads": heads}
    there, keywords = _with_places(store, {**main, **options}, out)
    settings = settings_from(RegressSettings, keywords, where="tokser.regress")
    return Results(run_regress(_placed(regress_task(settings), settings, there)))


def _with_places(
    store: AnyStore | Sequence[AnyStore], keywords: dict[str, Any], out: str | Path | None
) -> tuple[Store, dict[str, Any]]:
    """Add the store, its dataset, and the folder; `_placed` finds one that is not named."""
    there = joined(store)
    features = keywords["features"]
    if features == "all" or features == ("all",) or features == ["all"]:
        keywords = keywords | {"features": None}
    places = {"dataset": there.dataset, "store": addresses_of(there), "out": out or _UNNAMED}
    return there, places | keywords


def _placed(task: Task, settings: Any, store: Store) -> Any:
    """Return settings with a folder; they are those of a `task`."""
    given: ExperimentSettings = settings
    if given.out != Path(_UNNAMED):
        return given
    inputs = identities(store, read_expressions(store, task, given), given)
    stamp = stamp_of(task, given, inputs)
    folder = folder_beside(store, "results", task.tables.command, stamp)
    say(f"{task.tables.command}: in {folder}")
    return given.model_copy(update={"out": folder})
