"""One model that lasts: select by the folds of a protocol, score by them, fit on everything."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from tokser.config import ClassifySettings, FitSettings, RegressSettings
from tokser.device import resolve_device
from tokser.errors import SettingsError, list_some
from tokser.experiments.calibration.cross_fit import SetChoice
from tokser.experiments.classification import late_weights
from tokser.experiments.dataset import (
    Dataset,
    ExperimentSettings,
    identities,
    load,
    read_expressions,
)
from tokser.experiments.experiment import run_experiment
from tokser.experiments.feature_expressions import Early, Expression, Late, Term, parse
from tokser.experiments.head_inputs import read_inputs
from tokser.experiments.heads.head import Head
from tokser.experiments.heads.registry import find_head
from tokser.experiments.heads.suited import require_suited
from tokser.experiments.models.aligners import find_aligners, places_of_runs
from tokser.experiments.models.calibration import Calibration
from tokser.experiments.models.estimate import read_estimate, read_predictions, read_trials
from tokser.experiments.models.fit_calibration import calibrate_model, why_not_calibrated
from tokser.experiments.models.folder import write_model
from tokser.experiments.models.matching import require_matching
from tokser.experiments.models.member import Member
from tokser.experiments.models.model import Averaging, Model, kind_of
from tokser.experiments.models.recipe import FeatureRecipe
from tokser.experiments.models.selection import Selection, select
from tokser.experiments.models.tuned import find_tuned, places_of_folds
from tokser.experiments.task import Task
from tokser.experiments.training_data import TrainingData
from tokser.experiments.units import Unit
from tokser.functionals.moments import check_functionals
from tokser.progress import progress_bar, say
from tokser.provenance import Stamp, digest_of, without_later
from tokser.store import Store, open_store

__all__ = ["fit_model"]

_NOT_CONTENT = ("results", "runs", "track", "frames_mb")
"""Settings that say where something lies: what lies there is compared by its content."""
_LATER = {"calibrate": True, "coverage": [0.9], "set_score": "lac"}
"""Settings that models of earlier versions were fitted without, at their defaults."""


def fit_model(task: Task, settings: FitSettings) -> Path:
    """Fit a model on everything usable, and write its folder.

    Args:
        task: What is predicted.
        settings: Store, features, head, grid, protocol, folder.

    Returns:
        The model folder.

    Raises:
        SettingsError: The expression is wrong or several, a feature unknown, the head is none of
            the task, `results` are of something else, or `out` holds another model.
        StoreMismatchError: The store holds another dataset.
        MissingInputError: The run of an aligner is not found.
        InputError: As `run_experiment` says.
    """
    name = settings.head or ("ridge" if settings.target else "mlp")
    head = find_head(name, task, settings.head_grid)
    head.require_settings(settings.grid)
    store = open_store(settings.store, check=settings.check)
    experiment = _experiment(settings, name)
    expressions = read_expressions(store, task, experiment)
    expression = _only_expression(store, settings)
    members = expression.members if isinstance(expression, Late) else (expression,)
    require_suited(store, expressions, {name: head}, task.loss)
    _refuse_scaling_by_speaker(settings, name, head)
    inputs = identities(store, members, experiment, reads_frames=head.reads == "frames")
    stamp = Stamp("fit", _content(settings, name, expression), inputs)
    if stamp.marks(settings.out):
        say(f"fit: already in {settings.out}")
        return settings.out
    stamp.require_own(settings.out)
    features = (name for early in members for term in early.terms for name in term.features)
    terms = dict.fromkeys(Term(name) for name in features)
    places = places_of_runs(store.path, settings.runs)
    kept = KeptRuns(
        find_aligners(store, terms, places, is_needed=True),
        find_tuned(
            FeatureRecipe.of_store(store, terms),
            places_of_folds(store.path, settings.runs),
            is_needed=True,
        ),
    )
    if settings.results is not None:
        require_matching(settings.results, experiment, name, inputs)
    dataset = load(store, task, expressions, experiment)
    protocol = _only_protocol(dataset)
    if settings.results is None:
        run_experiment(task, experiment, [name], dataset=dataset)
    unit = Unit(str(expression), protocol, task.targets[0], name, settings.seed)
    fitting = _Fitting(dataset, settings, experiment, unit, head)
    selected = {early: fitting.select(early) for early in members}
    estimate = read_estimate(settings.results or experiment.out, unit, dataset)
    calibration = _calibration(settings, settings.results or experiment.out, unit, dataset, head)
    with stamp.claim(settings.out):
        model = fitting.model(expression, selected, inputs, kept)
        write_model(replace(model, estimate=estimate, calibration=calibration), settings.out)
        stamp.write(settings.out)
    return settings.out


def _calibration(
    settings: FitSettings, results: Path, unit: Unit, dataset: Dataset, head: Head
) -> Calibration | None:
    """Calibrate by the test predictions of the results, or say why that is not possible."""
    if not settings.calibrate or not dataset.task.calibrates:
        return None
    predictions = read_predictions(results, unit, dataset)
    missing = why_not_calibrated(predictions, dataset)
    if missing:
        say(f"fit: probabilities are not calibrated: {missing}")
        return None
    choice = SetChoice(settings.coverage, settings.set_score)
    has = head.has_probabilities
    return calibrate_model(predictions, dataset, unit, choice, has_probabilities=has)


class KeptRuns(NamedTuple):
    """Folders that a model keeps a copy of, by name of their group: aligners, tuned blocks."""

    aligners: Mapping[str, Path]
    tuned: Mapping[str, Path]


class _Fitting:
    """Selects and fits the members of one expression."""

    def __init__(
        self,
        dataset: Dataset,
        settings: FitSettings,
        experiment: ExperimentSettings,
        unit: Unit,
        head: Head,
    ) -> None:
        self._dataset, self._settings = dataset, settings
        self._unit, self._head = unit, head
        self._results = settings.results or experiment.out
        self._folds = dataset.plans[unit.protocol].folds(unit.seed)
        self._device = str(resolve_device(settings.device)) if head.is_network else "cpu"
        self._grid = experiment.grid

    def model(
        self,
        expression: Expression,
        selected: Mapping[Early, Selection],
        inputs: Mapping[str, Any],
        kept: KeptRuns,
    ) -> Model:
        """Fit what was selected, and put it together."""
        dataset, sums = self._dataset, list(selected)
        how: Averaging = "single"
        if isinstance(expression, Late):
            if expression.how == "best":
                sums = [max(sums, key=lambda early: selected[early].dev_score)]
            else:
                how = expression.how
        members = tuple(self._fitted(sums, selected))
        classes = dataset.task.classes(dataset.target(self._unit.target))
        weights: tuple[float, ...] = ()
        if how == "weighted":
            on_dev = [selected[early].dev_score for early in sums]
            weights = tuple(late_weights(on_dev, len(classes)).tolist())
        terms = dict.fromkeys(term for member in members for term in member.terms)
        used = {
            name: place
            for name, place in kept.aligners.items()
            if any(term.feature.startswith(f"{name}/") for term in terms)
        }
        languages = sorted(set(dataset.utterances["language"]) - {""})
        return Model(
            task=kind_of(dataset.task),
            target=self._unit.target,
            dataset=self._settings.dataset,
            features=str(expression),
            classes=classes,
            members=members,
            how=how,
            weights=weights,
            recipe=FeatureRecipe.of_store(
                dataset.store, terms, languages=languages, aligners=used, tuned=kept.tuned
            ),
            standardise=self._settings.standardise,
            provenance=self._provenance(inputs, selected),
        )

    def select(self, early: Early) -> Selection:
        """Return what the folds select for one sum of features."""
        unit = self._unit._replace(features=str(early))
        trials = read_trials(self._results, unit, self._dataset)
        metric = f"dev_{self._dataset.task.tables.metric}"
        return select(trials, [split.fold for split in self._folds], metric)

    def _fitted(self, sums: Sequence[Early], selected: Mapping[Early, Selection]) -> list[Member]:
        dataset, members = self._dataset, []
        with progress_bar(f"fit {self._settings.dataset}", total=len(sums), unit="models") as bar:
            for early in sums:
                settings = self._settings
                read = read_inputs(dataset, early, self._head, settings.frames_mb, self._device)
                data = TrainingData(
                    task=dataset.task,
                    functionals=read.functionals.values,
                    target=dataset.target(self._unit.target),
                    splits=self._folds,
                    grid=self._grid,
                    seed=self._unit.seed,
                    device=self._device,
                    rounding=read.functionals.rounding,
                    frames=read.frames,
                    frame_heads=settings.frame_heads,
                )
                chosen = selected[early]
                fitted = self._head.fit_all(data, chosen.choice)
                made = (fitted, self._unit.head, chosen.params, chosen.dev_score)
                members.append(Member(read.features, read.widths, *made))
                bar.advance()
        return members

    def _provenance(
        self, inputs: Mapping[str, Any], considered: Mapping[Early, Selection]
    ) -> dict[str, Any]:
        utterances = self._dataset.utterances
        splits = [[s.fold, s.train, s.dev, s.test] for s in self._folds]
        found: dict[str, Any] = {
            "settings": _content(self._settings, self._unit.head, None),
            "store": {"path": self._dataset.store.path, "inputs": dict(inputs)},
            "splits": {
                "protocol": self._unit.protocol,
                "digest": digest_of(splits),
                "num_folds": len(splits),
            },
            "fitted_on": {
                "num_utterances": len(utterances),
                "num_speakers": utterances["speaker"].replace("", None).nunique(),
                "ids_digest": digest_of(list(utterances.index)),
            },
            "selection": {
                str(early): {
                    "selected": chosen.params,
                    "dev_score": chosen.dev_score,
                    "trials": chosen.trials,
                }
                for early, chosen in considered.items()
            },
        }
        labels = self._dataset.task.labels(utterances)
        if labels is not None:
            counts = labels.value_counts().sort_index()
            found["fitted_on"]["labels"] = {str(name): int(n) for name, n in counts.items()}
        return found


def _experiment(settings: FitSettings, head: str) -> ExperimentSettings:
    """Return the settings that compute the score."""
    shared: dict[str, Any] = {
        name: getattr(settings, name)
        for name in (
            *("dataset", "store", "functionals", "standardise", "splits_file", "num_folds"),
            *("group_by", "stratify", "seed", "ledger", "check", "device", "grid", "head_grid"),
            *("frame_heads", "frames_mb"),
        )
    }
    shared |= {
        "features": (settings.features,),
        "protocols": () if settings.splits_file else (settings.protocol,),
        "out": settings.out.parent / f"{settings.out.name}-results",
    }
    if settings.target is None:
        return ClassifySettings.parse(shared | {"heads": (head,)}, where="tokser fit")
    shared |= {"heads": (head,), "targets": (settings.target,), "subset": settings.subset}
    return RegressSettings.parse(shared, where="tokser fit")


def _content(settings: FitSettings, head: str, expression: Expression | None) -> dict[str, Any]:
    """Return the settings that make a model what it is, defaults that were looked up filled in."""
    content = settings.model_dump(mode="json")
    for name in _NOT_CONTENT:
        del content[name]
    content = without_later(content, _LATER)
    if not settings.head_grid:
        del content["head_grid"]
    content["head"] = head
    if expression is not None:
        content["features"] = str(expression)
    return content


def _only_expression(store: Store, settings: FitSettings) -> Expression:
    """Return the one expression that settings ask for.

    Raises:
        SettingsError: It is several.
    """
    found = parse(settings.features, store.pooled, check_functionals(settings.functionals))
    if len(found) != 1:
        raise SettingsError(
            f"--features {settings.features}",
            expected="one feature expression, since a model has one",
            got=f"{len(found)}: {list_some(found)}",
            remedy="Name one, or let dev select: best(...); or average: mean(...).",
        )
    return found[0]


def _refuse_scaling_by_speaker(settings: FitSettings, name: str, head: Head) -> None:
    if head.reads != "functionals" and settings.standardise == "speaker":
        raise SettingsError(
            "--standardise speaker",
            expected=f"--standardise global for a model of the head {name}",
            got="frames that are scaled by speaker, which predicting cannot do",
            remedy="Leave the option out, or take a head on functionals, such as logreg.",
        )


def _only_protocol(dataset: Dataset) -> str:
    if len(dataset.plans) != 1:
        raise SettingsError(
            "--splits",
            expected="a file with the splits of one protocol",
            got=f"{len(dataset.plans)}: {list_some(list(dataset.plans))}",
            remedy="Leave one in the file; select and score by that.",
        )
    return next(iter(dataset.plans))
