"""A piece of a feature as an Arrow table: one row per utterance, the manifest's columns first."""

import numpy as np
import pyarrow as pa

from tokser.store.export.pieces import Piece
from tokser.store.feature_name import FeatureName
from tokser.store.layer import Layer
from tokser.store.reader import Store
from tokser.store.schema import FUNCTIONALS

__all__ = ["ROWS", "ArrowTables"]

ROWS = "rows"
"""Column that holds an utterance's rows: a list of lists of `dim` numbers."""


class ArrowTables:
    """Makes tables of one schema of the pieces of a feature.

    Args:
        store: The store.
        layer: The feature; functionals have a row [2*dim] per utterance.
        moments: Whether functionals are columns `mean_0`, `std_0` and so on, not one list.

    Attributes:
        schema: id, the manifest's columns, then what the feature holds.
        labels: Names of all columns but those.
    """

    def __init__(self, store: Store, layer: Layer, *, moments: bool = False) -> None:
        self._utterances = store.utterances
        self._dim, self._pooled = layer.dim, layer.kind == FUNCTIONALS
        rows = FeatureName.parse(layer.name).rows
        self._moments = moments and self._pooled
        self._columns = store.functional_columns(str(rows)) if self._moments else []
        number = pa.from_numpy_dtype(layer.dtype)
        manifest = pa.Schema.from_pandas(self._utterances.reset_index(), preserve_index=False)
        self._manifest = pa.schema([_plain(field) for field in manifest])
        self.labels: list[str] = self._manifest.names
        self.schema = self._manifest
        for field in self._own_fields(number):
            self.schema = self.schema.append(field)

    def table(self, piece: Piece) -> pa.Table:
        """Return the table of a piece."""
        labels = self._utterances.loc[piece.ids].reset_index()
        table = pa.Table.from_pandas(labels, schema=self._manifest, preserve_index=False)
        columns = table.replace_schema_metadata(None).columns + self._own_columns(piece)
        return pa.table(columns, schema=self.schema)

    def _own_fields(self, number: pa.DataType) -> list[pa.Field]:
        vector = pa.list_(number, self._dim)
        if self._moments:
            return [pa.field(name, number) for name in self._columns]
        if self._pooled:
            return [pa.field(FUNCTIONALS, vector)]
        return [pa.field(ROWS, pa.list_(vector))]

    def _own_columns(self, piece: Piece) -> list[pa.Array]:
        if self._moments:
            return [pa.array(column) for column in np.ascontiguousarray(piece.rows.T)]
        numbers = pa.array(piece.rows.reshape(-1))
        vectors = pa.FixedSizeListArray.from_arrays(numbers, self._dim)
        if self._pooled:
            return [vectors]
        offsets = np.concatenate([[0], np.cumsum(piece.lengths)]).astype(np.int32)
        return [pa.ListArray.from_arrays(pa.array(offsets), vectors)]


def _plain(field: pa.Field) -> pa.Field:
    """Name texts by the type that every program knows."""
    texts = (pa.types.is_large_string, pa.types.is_string_view)
    return field.with_type(pa.string()) if any(is_(field.type) for is_ in texts) else field
