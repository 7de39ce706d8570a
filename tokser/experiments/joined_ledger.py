"""The ledger of runs on several corpora: each corpus's test utterances under their own names."""

from collections.abc import Sequence
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

    def record(self, split: Split, **what: Any) -> None:
        """Write down one evaluation of the test part of `split`: a line for each of its corpora."""
        for corpus in self._corpora:
            mark = f"{corpus}/"
            own = tuple(name.removeprefix(mark) for name in split.test if name.startswith(mark))
            if own:
                super().record(replace(split, test=own), **what | {"dataset": corpus})
