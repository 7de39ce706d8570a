"""Which test sets were evaluated by which runs, and how much of another set these cover."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

__all__ = ["MIN_OVERLAP", "EvaluatedSets", "Others"]

MIN_OVERLAP = 0.1
"""Share of the smaller of two test sets from which they count as overlapping."""


class Others(NamedTuple):
    """What other runs had evaluated before a test set was evaluated.

    Attributes:
        other_runs: Runs that had evaluated this test set, or one that overlaps with it: shares at
            least a tenth of the smaller one.
        other_runs_identical: Those among them that had evaluated this very test set.
        other_evaluations: Evaluations of all of these sets by these runs.
        overlap: Share of this test set's utterances in any test set that another run had evaluated.
    """

    other_runs: int
    other_runs_identical: int
    other_evaluations: int
    overlap: float


class EvaluatedSets:
    """Test sets by their utterances, and who evaluated them how often.

    Sets are compared within a dataset. Of a set whose ids nobody wrote down (as in ledgers of
    earlier versions) it is known only whether it is identical. A query costs one step per
    utterance and set that holds it.

    Args:
        own: Runs that are not others.
    """

    def __init__(self, own: Iterable[str]) -> None:
        self._own = frozenset(own)
        self._sizes: dict[str, int] = {}
        self._holding: dict[str, list[str]] = defaultdict(list)
        self._evaluations: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)

    def add(self, entry: Mapping[str, Any]) -> None:
        """Take in a line of a ledger: the ids of a test set, or an evaluation by another run."""
        digest = str(entry.get("test_digest"))
        if "test_ids" in entry:
            if digest not in self._sizes:
                ids = {str(name) for name in entry["test_ids"]}
                self._sizes[digest] = len(ids)
                for name in ids:
                    self._holding[name].append(digest)
            return
        run = str(entry.get("run", "unknown"))
        if run not in self._own:
            self._evaluations[str(entry.get("dataset", "")), digest][run] += 1

    def others(self, dataset: str, digest: str, ids: Sequence[str]) -> Others:
        """Return what other runs had evaluated of a test set.

        Args:
            dataset: The dataset that it is of.
            digest: Digest of its sorted ids.
            ids: Its ids.
        """
        shared: Counter[str] = Counter()
        num_covered = 0
        for name in ids:
            holding = [d for d in self._holding.get(name, ()) if (dataset, d) in self._evaluations]
            shared.update(holding)
            num_covered += bool(holding)
        alike = {
            other
            for other, count in shared.items()
            if count >= MIN_OVERLAP * min(len(ids), self._sizes[other])
        }
        same = self._evaluations.get((dataset, digest), Counter())
        if same:
            alike.add(digest)
            num_covered = len(ids)
        counts = sum((self._evaluations[dataset, other] for other in alike), Counter[str]())
        share = round(num_covered / max(len(ids), 1), 4)
        return Others(len(counts), len(same), counts.total(), share)
