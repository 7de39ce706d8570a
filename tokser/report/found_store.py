"""The store that made results: where the map and the recordings come from."""

from collections.abc import Sequence
from typing import Any

from tokser.errors import InputError, StoreMismatchError, TokserError, list_some
from tokser.experiments.feature_expressions import Early, Term, as_means, parse
from tokser.experiments.joined_store import open_stores
from tokser.report.inputs import Experiment
from tokser.report.predicted_utterances import PredictedUtterances
from tokser.store import Store, is_remote

__all__ = ["NamedStores", "mapped_terms", "recorded_store"]


class NamedStores:
    """Stores that a user named because they are no longer where they were.

    Args:
        addresses: Folder or URL of each.

    Raises:
        StoreError, InputError: One of them cannot be opened.
    """

    def __init__(self, addresses: Sequence[str]) -> None:
        self._stores = {address: open_stores(address) for address in addresses}
        self._absent: dict[str, list[str]] = {address: [] for address in addresses}
        self._used: set[str] = set()

    def find(self, predicted: PredictedUtterances, experiment: Experiment) -> Store | None:
        """Return the one that has all predicted utterances; None: none of them has."""
        if isinstance(experiment.settings.get("store"), list) and len(self._stores) > 1:
            joined = open_stores(list(self._stores), str(experiment.settings.get("dataset", "")))
            if not predicted.absent_from(joined):
                self._used |= set(self._stores)
                return joined
        for address, store in self._stores.items():
            absent = predicted.absent_from(store)
            if not absent:
                self._used.add(address)
                return store
            self._absent[address] = absent
        return None

    def require_used(self) -> None:
        """Raise unless each store has the utterances of some results.

        Raises:
            StoreMismatchError: One of them has not.
        """
        for address in self._stores:
            if address not in self._used:
                absent = self._absent[address]
                told = f"a store without {len(absent)} of them: {list_some(absent)}"
                raise StoreMismatchError(
                    f"--store {address}",
                    expected="the utterances of results with classes",
                    got=told if absent else "no such results",
                    remedy="Name the store that the results were made from, or a copy of it.",
                )


def recorded_store(
    predicted: PredictedUtterances, experiment: Experiment, *, is_needed: bool
) -> tuple[Store | None, str]:
    """Open the store that results say they were made from.

    Args:
        predicted: Predictions, whose utterances it must have.
        experiment: The results.
        is_needed: Whether it is worth a connection to another machine.

    Returns:
        The store, or None and why.
    """
    recorded: Any = experiment.settings.get("store")
    if not recorded:
        return None, f"{experiment.folder} does not say which store made it"
    addresses = [recorded] if isinstance(recorded, str) else [str(one) for one in recorded]
    if not is_needed and any(map(is_remote, addresses)):
        return None, f"{list_some(addresses)} is on another machine"
    try:
        store = open_stores(addresses, str(experiment.settings.get("dataset", "")))
        absent = predicted.absent_from(store)
    except (TokserError, OSError) as error:
        return None, str(error)
    if absent:
        return None, f"{store.path} lacks {len(absent)} of the utterances: {list_some(absent)}"
    return store, ""


def mapped_terms(
    wanted: str, predicted: PredictedUtterances, experiment: Experiment, store: Store
) -> tuple[Term, ...]:
    """Return the features that place utterances on the map.

    Args:
        wanted: A feature expression, or `auto`: the features of the predictions; of several among
            which dev selected, those that it selected in most folds.
        predicted: Predictions.
        experiment: The results.
        store: Has the functionals.

    Raises:
        SettingsError: The store has no such functionals.
        InputError: The expression stands for several sets of features.
    """
    text = wanted if wanted != "auto" else _most_selected(predicted, experiment)
    found = parse(text, store.pooled)
    if len(found) > 1:
        raise InputError(
            f"--map {wanted}",
            expected="one feature, or several with + between",
            got=f"{len(found)}: {list_some(list(map(str, found)))}",
            remedy="Name one of them.",
        )
    members = (found[0],) if isinstance(found[0], Early) else found[0].members
    terms = [
        term
        for member in members
        for term in (as_means(member) if any(t.mixed for t in member.terms) else member).terms
    ]
    return tuple(dict.fromkeys(terms))


def _most_selected(predicted: PredictedUtterances, experiment: Experiment) -> str:
    """Return the features that dev selected in most folds; those of the row where it did not."""
    row, choices = predicted.row, experiment.choices
    own = choices["protocol"] == predicted.protocol
    for key in ("features", "classifier", "setup"):
        own &= choices[key] == getattr(row, key)
    if not row.features.startswith("best(") or not own.any():
        return row.features
    return str(choices.loc[own, "chosen"].value_counts(sort=True).index[0])
