"""The ledger of runs on several corpora: each corpus's test utterances under their own names."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tokser.experiments.ledger import Ledger
from tokser.experiments.splits.protocols import Split

__all__ = ["JoinedLedger"]


class JoinedLedger(Ledger):
    """A ledger that writes an evaluation down for each corpus that a test part is of.

    So whoever evaluates one of these corpora alone is told how much of it was evaluated here.

    Args:
        path: As `Ledger`.
        corpora: Names of the corpora.
        **kept: As `Ledger`.
    """

    def __init__(self, path: Path, corpora: Sequence[str], **kept: Any) -> None:
        super().__init__(path, **kept)
        self._corpora = tuple(corpora)

    def record_all(self, evaluations: Sequence[tuple[Split, Mapping[str, Any]]]) -> None:
        """Write down evaluations of test parts: a line for each of their corpora."""
        super().record_all(list(self._by_corpus(evaluations)))

    def _by_corpus(
        self, evaluations: Sequence[tuple[Split, Mapping[str, Any]]]
    ) -> Iterator[tuple[Split, dict[str, Any]]]:
        for split, what in evaluations:
            for corpus in self._corpora:
                mark = f"{corpus}/"
                own = tuple(name.removeprefix(mark) for name in split.test if name.startswith(mark))
                if own:
                    yield replace(split, test=own), {**what, "dataset": corpus}
