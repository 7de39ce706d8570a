"""Features of tuned blocks, and the utterances whose labels these blocks have seen."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tokser.experiments.joined_store import corpora_of
from tokser.experiments.splits.protocols import Split
from tokser.store import Store
from tokser.store.feature_name import rows_group
from tokser.store.schema import TUNED_ON

__all__ = ["names_group", "seen_in_test", "seen_labels"]


def seen_labels(store: Store) -> dict[str, frozenset[str]]:
    """Return the ids whose labels features have seen, by the group of these features.

    What was made of tuned features (functionals, an aligner's features) has seen the same.
    """
    found: dict[str, frozenset[str]] = {}
    for mark, own in corpora_of(store).items():
        for group in own.groups:
            ids = _seen(own.group(group).provenance, own.dataset)
            if ids:
                name = rows_group(group)
                found[name] = found.get(name, frozenset()) | {f"{mark}{one}" for one in ids}
    return found


def seen_in_test(
    seen: Mapping[str, frozenset[str]], splits: Sequence[Split]
) -> dict[str, tuple[str, ...]]:
    """Return, by group, the test utterances of the worst fold whose labels it has seen."""
    worst = {
        group: max((tuple(name for name in split.test if name in ids) for split in splits), key=len)
        for group, ids in seen.items()
    }
    return {group: names for group, names in worst.items() if names}


def names_group(expression: str, group: str) -> bool:
    """Tell whether a feature expression names features of a group."""
    return re.search(rf"(?<![\w.-]){re.escape(group)}/", expression) is not None


def _seen(provenance: Any, dataset: str) -> frozenset[str]:
    if isinstance(provenance, Mapping):
        told = provenance.get(TUNED_ON)
        own = told["ids"] if isinstance(told, Mapping) and told["dataset"] == dataset else ()
        inner = (_seen(value, dataset) for key, value in provenance.items() if key != TUNED_ON)
        return frozenset(own).union(*inner)
    if isinstance(provenance, list | tuple):
        return frozenset().union(*(_seen(value, dataset) for value in provenance))
    return frozenset()
