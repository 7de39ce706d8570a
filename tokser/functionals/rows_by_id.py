"""Rows of a table of functionals by id, many parts of the same table: positions, and no index."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Int64

__all__ = ["RowsById"]


class RowsById:
    """Takes parts of a table as `table.loc[ids].to_numpy()` does, faster, and from any thread.

    Parts lie in memory as those of pandas do, row after row or column after column: sums are taken
    in that order, so their last bits depend on it.

    Args:
        table: [utterances, features], index = id; no id twice.

    Attributes:
        table: [utterances, features], the rows in order.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self._places = {str(name): place for place, name in enumerate(table.index)}
        self.table: np.ndarray = np.asarray(table.to_numpy())
        self._is_by_row = self.table.flags.c_contiguous

    def of(self, ids: Sequence[str]) -> np.ndarray:
        """Return the rows of some ids, in their order.

        Raises:
            KeyError: One of them is not in the table.
        """
        places = self.places(ids)
        if self._is_by_row:
            return np.asarray(self.table.take(places, axis=0))
        return np.asarray(self.table.T.take(places, axis=1).T)

    def places(self, ids: Sequence[str]) -> Int64[np.ndarray, " ids"]:
        """Return the positions of some ids.

        Raises:
            KeyError: One of them is not in the table.
        """
        return np.fromiter((self._places[name] for name in ids), dtype=np.int64, count=len(ids))
