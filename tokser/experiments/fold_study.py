"""One fold's search by Optuna, kept in a file, so that it goes on where it was stopped.

What is drawn follows from the seed, the fold and the trials so far: a search that was stopped and
resumed draws what one that ran through would have drawn.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from tokser.errors import MissingPackageError
from tokser.experiments.search_space import Space, Values
from tokser.progress import warn

__all__ = ["JOURNAL", "FoldStudy", "plain_record", "require_optuna"]

JOURNAL = "search.journal"
"""File of a results folder that keeps trials."""

_RECORD = "record"
_POINT = "point"


def require_optuna() -> None:
    """Raise `MissingPackageError` unless Optuna is installed."""
    if find_spec("optuna") is None:
        raise MissingPackageError(
            "--search optuna",
            expected="the package optuna",
            got="none installed",
            remedy="Install it: pip install 'tokser[search]'.",
        )


class FoldStudy:
    """Trials of one fold.

    Args:
        journal: File that keeps the trials of all folds.
        name: Of this search.
        space: What is drawn.
        seed: Of what is drawn.
    """

    def __init__(self, journal: Path, name: str, space: Space, seed: int) -> None:
        self._space, self._name, self._seed = space, name, seed
        with _quiet():
            try:
                self._study = self._open(journal)
                self._study.get_trials()
            except (ValueError, KeyError, TypeError, AssertionError) as error:
                warn(f"{journal} is damaged ({error}): the search begins again")
                journal.unlink()
                self._study = self._open(journal)

    @property
    def records(self) -> list[dict[str, Any]]:
        """What `tell` was given of each finished trial, in order."""
        return [trial.user_attrs[_RECORD] for trial in self._finished]

    @property
    def points(self) -> list[dict[str, Any]]:
        """What was drawn in each finished trial, in order."""
        return [json.loads(trial.user_attrs[_POINT]) for trial in self._finished]

    def run(self, num_trials: int, train: Any) -> None:
        """Draw points and train them until there are enough.

        Args:
            num_trials: Finished trials that there are at the end.
            train: Called with a point; returns its score on dev and what is recorded of it.
        """
        from optuna.samplers import TPESampler

        with _quiet():
            for done in range(len(self._finished), num_trials):
                words = [self._seed, done, *self._name.encode()]
                drawn = np.random.SeedSequence(words).generate_state(1)[0]
                self._study.sampler = TPESampler(seed=int(drawn))
                trial = self._study.ask()
                point = {name: self._draw(trial, name) for name in self._space}
                score, record = train(point)
                trial.set_user_attr(_POINT, json.dumps(point))
                trial.set_user_attr(_RECORD, record)
                self._study.tell(trial, score)

    @property
    def _finished(self) -> list[Any]:
        from optuna.trial import TrialState

        return list(self._study.get_trials(states=(TrialState.COMPLETE,)))

    def _open(self, journal: Path) -> Any:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

        journal.parent.mkdir(parents=True, exist_ok=True)
        lock = JournalFileOpenLock(str(journal))
        storage = JournalStorage(JournalFileBackend(str(journal), lock_obj=lock))
        study = optuna.create_study(
            storage=storage, study_name=self._name, direction="maximize", load_if_exists=True
        )
        for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)  # stopped in the middle
        return study

    def _draw(self, trial: Any, name: str) -> Any:
        one = self._space[name]
        if isinstance(one, Values):
            # Optuna keeps plain values only; lists, such as widths, travel as text.
            place = trial.suggest_categorical(name, [json.dumps(value) for value in one.values])
            return json.loads(place)
        if one.is_whole:
            step = int(one.step or 1)
            return trial.suggest_int(name, int(one.low), int(one.high), step=step, log=one.log)
        return trial.suggest_float(name, one.low, one.high, step=one.step, log=one.log)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Optuna, which says every trial, while the block runs."""
    from optuna import logging

    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(before)


def plain_record(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record as JSON keeps it: numpy's numbers as those of Python."""
    return {key: value.item() if hasattr(value, "item") else value for key, value in values.items()}
