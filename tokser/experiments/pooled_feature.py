"""A feature of which only functionals are read."""

from dataclasses import dataclass

import pandas as pd

from tokser.functionals.moments import MOMENTS
from tokser.store import FeatureName, Store

__all__ = ["PooledFeature"]


@dataclass(frozen=True)
class PooledFeature:
    """A feature whose functionals are read, and no frames: a store may lack these.

    Attributes:
        store: The store.
        name: Name of the feature.
    """

    store: Store
    name: str

    @property
    def dim(self) -> int:
        """Numbers in a row."""
        pooled = self.store[str(FeatureName.parse(self.name).functionals())]
        if self.store.is_utterance_level(self.name):
            return int(pooled.dim)
        return int(pooled.dim // len(MOMENTS))

    def functionals(self) -> pd.DataFrame:
        """Return mean then standard deviation over rows, [utterances, 2 * dim]."""
        table = self.store.functionals(self.name)
        if not self.store.is_utterance_level(self.name):
            return table
        return pd.concat([table, pd.DataFrame(0.0, table.index, table.columns)], axis=1)
