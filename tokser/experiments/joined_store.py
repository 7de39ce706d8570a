"""Several stores as one: features of the same name, and ids that begin with their corpus."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tokser.errors import SettingsError, StoreMismatchError, list_some
from tokser.experiments.splits.sentences import sentences_of
from tokser.provenance import digest_of
from tokser.store import FeatureName, FeatureSpec, Layer, Store, open_store

if TYPE_CHECKING:
    from tokser.store.gather import Read, ReaderOf
    from tokser.store.journal import JournalEntry, Record
    from tokser.store.layout import Layout, PartedLayout

__all__ = ["CORPUS", "JoinedStore", "corpora_of", "open_stores", "require_several"]

CORPUS = "corpus"
"""Column that says which corpus an utterance is of."""
_MARK = "/"
"""Between the corpus and what is called so in it; no corpus has one in its name."""
_PREFIXED = ("speaker", "session")
"""Columns whose values are somebody else in each corpus."""


def open_stores(addresses: str | Sequence[str], dataset: str = "", *, check: bool = False) -> Store:
    """Open a store, or several as one.

    Args:
        addresses: Folder or URL of each.
        dataset: What several are called together; empty: the names of the corpora.
        check: As in `open_store`.

    Raises:
        SettingsError: A store, or a corpus, is named twice.
        StoreError: As `open_store` does.
    """
    several = (addresses,) if isinstance(addresses, str) else tuple(addresses)
    opened = [open_store(address, check=check) for address in several]
    return opened[0] if len(opened) == 1 else JoinedStore(opened, dataset)


def require_several(stores: Sequence[object]) -> None:
    """Raise `SettingsError` unless there are two stores at least."""
    if len(stores) < 2:
        raise SettingsError(
            "--store",
            expected="stores of at least two corpora",
            got=str(stores[0]) if stores else "none",
            remedy="Name each with --store, for instance --store emodb.zarr --store nemo.zarr.",
        )


def corpora_of(store: Store) -> dict[str, Store]:
    """Return the stores behind one, by what their ids begin with there; "" of a store itself."""
    if isinstance(store, JoinedStore):
        return {f"{corpus}{_MARK}": own for corpus, own in store.stores.items()}
    return {"": store}


class JoinedStore(Store):
    """Several stores, each of another corpus, read as one; nothing is copied.

    An utterance is called `emodb/03a01Fa`, its speaker `emodb/03`: equal names in two corpora are
    different people. Transcripts are compared as they are, for the same words can be said in two
    corpora. Where some corpora have sessions, a speaker of the others is a session alone.

    Attributes:
        stores: By name of the corpus, in the order in which they were named.
    """

    def __init__(self, stores: Sequence[Store], dataset: str = "") -> None:
        _refuse_twice(stores)
        self.stores = {store.dataset: store for store in stores}
        self.path = " + ".join(store.path for store in stores)
        self.dataset = dataset or "-".join(self.stores)
        self.check = all(store.check for store in stores)
        self._layers: dict[str, Layer] = {}
        shared = set.intersection(*(set(store.groups) for store in stores))
        self._groups = {name: own for name, own in stores[0]._groups.items() if name in shared}

    def __reduce__(self) -> tuple[Any, ...]:
        return JoinedStore, (list(self.stores.values()), self.dataset)

    def __contains__(self, feature: str) -> bool:
        return all(feature in store for store in self.stores.values())

    def reload(self) -> None:
        """Read again what the stores have."""
        for store in self.stores.values():
            store.reload()
        stores, dataset = list(self.stores.values()), self.dataset
        self.__dict__.clear()
        JoinedStore.__init__(self, stores, dataset)

    @property
    def first(self) -> Store:
        """The store that is named first."""
        return next(iter(self.stores.values()))

    @cached_property
    def utterances(self) -> pd.DataFrame:
        """All utterances, with the column `corpus`; columns that a corpus lacks are blank there."""
        tables = [_table(corpus, store) for corpus, store in self.stores.items()]
        if any(table["session"].ne("").any() for table in tables):
            for table in tables:
                if table["session"].eq("").all():
                    table["session"] = table["speaker"]
        joined = pd.concat(tables)
        for name in joined:
            if not pd.api.types.is_numeric_dtype(joined[name]):
                joined[name] = joined[name].astype(object).where(joined[name].notna(), "")
        return joined

    @cached_property
    def ids(self) -> list[str]:
        """Ids of the utterances, in the order of the stores."""
        return [f"{mark}{name}" for mark, store in corpora_of(self).items() for name in store.ids]

    @property
    def version(self) -> int:
        """The largest version of the stores' tables."""
        return max(store.version for store in self.stores.values())

    @property
    def features(self) -> list[str]:
        """Names of the features that every store has."""
        others = [set(store.features) for store in self.stores.values()]
        return [name for name in self.first.features if all(name in own for own in others)]

    @cached_property
    def pooled(self) -> list[str]:
        """Names of the features whose functionals every store has."""
        others = [set(store.pooled) for store in self.stores.values()]
        return [name for name in self.first.pooled if all(name in own for own in others)]

    def functionals(self, feature: str) -> pd.DataFrame:
        """Return mean then standard deviation over rows, float32 [utterances, 2*dim]."""
        tables = []
        for mark, store in corpora_of(self).items():
            table = store.functionals(feature)
            tables.append(table.set_axis([f"{mark}{name}" for name in table.index]))
        if len({table.shape[1] for table in tables}) > 1:
            self._refuse_unlike(feature, "width", [str(table.shape[1]) for table in tables])
        return pd.concat(tables).rename_axis("id")

    def identity(self, feature: str, *, without: Sequence[str] = ()) -> str:
        """Digest of what a feature is in all stores."""
        own = {c: s.identity(feature, without=without) for c, s in self.stores.items()}
        return digest_of(own)

    def position(self, utterance: str) -> int:
        """Place of an utterance among all; `SettingsError` if no store has it."""
        corpus, _, name = utterance.partition(_MARK)
        if corpus not in self.stores:
            raise SettingsError(
                self.path,
                expected="the id of an utterance in one of the stores, such as emodb/03a01Fa",
                got=repr(utterance),
                remedy="`store.ids` lists them.",
            )
        return self._starts[corpus] + self.stores[corpus].position(name)

    @cached_property
    def _starts(self) -> dict[str, int]:
        sizes = [len(store.ids) for store in self.stores.values()]
        starts = np.cumsum([0, *sizes[:-1]]).tolist()
        return dict(zip(self.stores, starts, strict=True))

    def _layer(self, name: FeatureName) -> Layer:
        layers = {mark: store[str(name)] for mark, store in corpora_of(self).items()}
        for what in ("dtype", "dim"):
            found = [str(getattr(layer, what)) for layer in layers.values()]
            if len(set(found)) > 1:
                self._refuse_unlike(str(name), what, found)
        return JoinedLayer(self, name, layers)

    def _refuse_unlike(self, feature: str, what: str, found: Sequence[str]) -> NoReturn:
        pairs = zip(self.stores.values(), found, strict=True)
        raise StoreMismatchError(
            f"{self.path}, {feature}",
            expected=f"one {what} in all stores",
            got=", ".join(f"{value} in {store.path}" for store, value in pairs),
            remedy="Extract the feature again in the same way, or name another one.",
        )


class JoinedLayer(Layer):
    """A feature of several stores.

    Args:
        store: The stores.
        name: Of the feature.
        layers: The feature in each, by what ids begin with.
    """

    def __init__(self, store: JoinedStore, name: FeatureName, layers: Mapping[str, Layer]) -> None:
        super().__init__(store, name)
        self._joined, self._layers = store, dict(layers)

    @property
    def spec(self) -> FeatureSpec:
        """Width and type of a row, and how rows of the first store are packed."""
        return next(iter(self._layers.values())).spec

    @property
    def num_bytes(self) -> int:
        """Bytes of what is committed in all stores."""
        return sum(layer.num_bytes for layer in self._layers.values())

    @property
    def layout(self) -> "Layout | PartedLayout":
        """Of no store alone; rows are read by id."""
        raise NotImplementedError("rows of several stores have no common layout")

    @property
    def entries(self) -> "list[JournalEntry | None]":
        """The journals of all stores, one after the other."""
        return [entry for layer in self._layers.values() for entry in layer.entries]

    @cached_property
    def outdated(self) -> NDArray[np.int64]:
        """Positions of utterances that a store lacks, or has of an older version of its table."""
        starts = self._joined._starts.values()
        found = [s + own.outdated for s, own in zip(starts, self._layers.values(), strict=True)]
        return np.concatenate(found).astype(np.int64)

    @property
    def quarantined(self) -> dict[str, str]:
        """Reasons, by id, of the utterances in quarantine."""
        return {
            f"{mark}{name}": reason
            for mark, layer in self._layers.items()
            for name, reason in layer.quarantined.items()
        }

    def records(self) -> "dict[str, Record]":
        """Return what the journals say of each utterance that is committed, by id."""
        return {
            f"{mark}{name}": record
            for mark, layer in self._layers.items()
            for name, record in layer.records().items()
        }

    @cached_property
    def ids(self) -> list[str]:
        """Usable utterances; `StoreIncompleteError` if any is missing yet."""
        return [f"{mark}{name}" for mark, layer in self._layers.items() for name in layer.ids]

    @cached_property
    def lengths(self) -> "pd.Series[int]":
        """Rows of each usable utterance, int64, index = id."""
        found = [layer.lengths for layer in self._layers.values()]
        return pd.concat(found).set_axis(pd.Index(self.ids, name="id"))

    @property
    def num_rows(self) -> int:
        """Rows of all utterances together."""
        return sum(layer.num_rows for layer in self._layers.values())

    def rows_at(self, position: int) -> NDArray[Any]:
        """Return the rows of the utterance at a position among all, [rows, dim], read only."""
        mark, place = self._place_of(position)
        return self._layers[mark].rows_at(place)

    def reader_of(self, positions: Sequence[int]) -> "Read":
        """Request the utterances at some positions from each store, and return what reads them."""
        places: dict[str, list[int]] = {}
        for mark, place in map(self._place_of, positions):
            places.setdefault(mark, []).append(place)
        readers = {mark: self._layers[mark].reader_of(own) for mark, own in places.items()}

        def read(position: int) -> NDArray[Any]:
            mark, place = self._place_of(position)
            return readers[mark](place)

        return read

    def _place_of(self, position: int) -> tuple[str, int]:
        corpus, start = max(
            (pair for pair in self._joined._starts.items() if pair[1] <= position),
            key=lambda pair: pair[1],
        )
        return f"{corpus}{_MARK}", position - start

    def _gather_arguments(
        self, utterances: Sequence[str]
    ) -> "tuple[ReaderOf, list[int], NDArray[np.int64], NDArray[Any]]":
        positions = [self._joined.position(name) for name in utterances]
        lengths = self.lengths.loc[list(utterances)].to_numpy(dtype=np.int64)
        empty = np.empty((0, *self.spec.row_shape), dtype=self.dtype)
        return self.reader_of, positions, lengths, empty


def _table(corpus: str, store: Store) -> pd.DataFrame:
    """Return the utterances of a store under the names that they have among others."""
    table = store.utterances.copy()
    own_sentences = "sentence" in table
    said = sentences_of(table)
    table["sentence"] = (
        said.where(said.eq(""), f"{corpus}{_MARK}" + said) if own_sentences else said
    )
    for name in _PREFIXED:
        table[name] = table[name].where(table[name].eq(""), f"{corpus}{_MARK}" + table[name])
    table[CORPUS] = corpus
    table.index = pd.Index([f"{corpus}{_MARK}{name}" for name in table.index], name="id")
    return table


def _refuse_twice(stores: Sequence[Store]) -> None:
    paths = [store.path for store in stores]
    corpora = [store.dataset for store in stores]
    twice = sorted({path for path in paths if paths.count(path) > 1})
    alike = sorted({name for name in corpora if corpora.count(name) > 1})
    if twice or alike:
        same = [store.path for store in stores if store.dataset in alike]
        raise SettingsError(
            "--store",
            expected="stores of different corpora",
            got=f"{list_some(twice)} twice"
            if twice
            else f"{list_some(same)}, which are both of {list_some(alike)}",
            remedy="Name each corpus once.",
        )
