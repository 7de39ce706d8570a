"""Reading a store: its utterances and its features. Never changes what is on disk."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokser.errors import SettingsError, StoreIncompleteError, list_some
from tokser.notebook import table_html
from tokser.provenance import COLUMNS, UTTERANCE_LEVEL
from tokser.store.address import existing_backend
from tokser.store.backend import Backend
from tokser.store.catalogue import Catalogue
from tokser.store.feature_name import FUNCTIONALS, FeatureName
from tokser.store.layer import Layer
from tokser.store.lookup_layer import LookupLayer
from tokser.store.parted_layer import PartedLayer
from tokser.store.remote_layer import stored_layer

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Store", "open_store"]


def open_store(path: str | Path, *, check: bool = False) -> "Store":
    """Open a store, read only.

    Args:
        path: Folder or URL of the store, for instance `emodb.zarr`.
        check: Verify the checksum of everything that is read; what is mapped into memory is
            verified when it is read first.

    Raises:
        MissingInputError: There is nothing at `path`.
        StoreMismatchError: What is there is not a store of this format.
        CorruptStoreError: What the store says about itself is damaged.
    """
    return Store(existing_backend(str(path)), check=check)


class Store(Catalogue):
    """One corpus and its features.

    Attributes:
        path: Folder or URL of the store.
        dataset: Name of the corpus.
        backend: Raw reads.
        attributes: What the store says about itself.
        check: Whether the checksum of everything that is read is verified.

    Example:
        >>> import tokser
        >>> store = tokser.open_store("workspace/stores/emodb.zarr")
        >>> store.dataset, len(store.utterances)
        ('emodb', 30)
        >>> store.pooled
        ['whisper-base/layer-3', 'whisper-base/layer-6', 'bert-base-uncased/contextual']
    """

    def __init__(self, backend: Backend, *, check: bool = False) -> None:
        super().__init__(backend, check=check)
        self._layers: dict[str, Layer] = {}

    def __repr__(self) -> str:
        return f"Store({self.path!r}, {self.dataset}, {len(self.features)} features)"

    def _repr_html_(self) -> str:
        """Show the features in a notebook: shape, type, what is there."""
        pooled, names = set(self.pooled), dict.fromkeys([*self.features, *self.pooled])
        rows = [_row(self, name, is_pooled=name in pooled) for name in names]
        num = self.attributes.num_utterances
        caption = f"Store {self.path}: {self.dataset}, {num:,} utterances"
        notes = [f"{len(self.quarantined)} in quarantine"] if self.quarantined else []
        headings = ("feature", "rows", "dim", "dtype", "complete", "pooled")
        return table_html(caption, headings, rows, right=(1, 2), notes=notes)

    def reload(self) -> None:
        """Read again what the store has, after something was added to it or taken out."""
        address, check = self.path, self.check
        self.__dict__.clear()
        Store.__init__(self, existing_backend(address), check=check)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self.path, self.check)

    def __getitem__(self, feature: str) -> Layer:
        """Return a feature by name; `SettingsError` lists the names there are."""
        if feature not in self._layers:
            self._layers[feature] = self._layer(FeatureName.parse(feature))
        return self._layers[feature]

    def __iter__(self) -> Iterator[str]:
        return iter(self.features)

    @property
    def features(self) -> list[str]:
        """Names of the features, rows of floats that a frame or a token has."""
        return [
            f"{group}/{name}"
            for group, attributes in self._groups.items()
            if attributes.kind != FUNCTIONALS
            for name, spec in (attributes.features | attributes.lookups).items()
            if spec.dtype != "int32"
        ]

    @property
    def pooled(self) -> list[str]:
        """Names of the features whose functionals are in the store, complete.

        Those in `features` come first; of the others only functionals were stored.
        """
        names = [FeatureName.parse(array) for array in self.arrays]
        found = [
            str(name.rows)
            for name in names
            if self[str(name)].kind == FUNCTIONALS
            and not name.functional
            and self[str(name)].is_complete
        ]
        kept = [feature for feature in self.features if feature in found]
        return kept + [feature for feature in found if feature not in kept]

    @property
    def uncommitted(self) -> list[str]:
        """Names of the features of which no shard was committed: their encoder failed, mostly."""
        return [name for name in self.features if not any(self[name].entries)]

    @property
    def without_rows(self) -> list[str]:
        """Names of the features of which only functionals were stored; nothing is read."""
        names = [FeatureName.parse(array) for array in self.arrays]
        pooled = [str(n.rows) for n in names if n.is_functionals and not n.functional]
        return [name for name in pooled if name not in self.features]

    def is_utterance_level(self, feature: str) -> bool:
        """Tell whether a pooled feature is one vector of an utterance, and no moments of rows.

        Functionals of openSMILE are such features, and those that `tokser store import` took in.
        """
        name = FeatureName.parse(feature)
        group = self._groups.get(name.functionals().group_key)
        made_by = group.provenance.get("source", {}) if group else {}
        return name.feature in made_by.get(UTTERANCE_LEVEL, ())

    def functionals(self, feature: str) -> "pd.DataFrame":
        """Return mean then standard deviation over rows, float32 [utterances, 2*dim].

        Of a feature of whole utterances, return its vectors as they are, [utterances, dim].

        Args:
            feature: Its name; its rows need not be in the store.

        Raises:
            StoreIncompleteError: It has not been pooled.
        """
        name = str(FeatureName.parse(feature).functionals())
        if name not in self:
            raise StoreIncompleteError(
                f"{self.path}, {feature}",
                expected="functionals",
                got="none",
                remedy=f"Run `tokser pool --store {self.path}`.",
            )
        import pandas as pd

        pooled = self[name]
        columns = self.functional_columns(feature)
        values = pooled.ragged(pooled.ids).rows
        index = pd.Index(pooled.ids, name="id")
        return pd.DataFrame(values, index=index, columns=columns, copy=False)  # stays by rows

    def functional_columns(self, feature: str) -> list[str]:
        """Name the columns of `functionals`: mean_0, ..., std_0, ..., or what a vector holds."""
        name = FeatureName.parse(feature)
        pooled = self[str(name.functionals())]
        if not self.is_utterance_level(feature):
            return [f"{part}_{i}" for part in ("mean", "std") for i in range(pooled.dim // 2)]
        named: list[str] = pooled.provenance["source"].get(COLUMNS, {}).get(name.feature, [])
        return named or [f"{name.feature}_{i}" for i in range(pooled.dim)]

    @property
    def quarantined(self) -> dict[str, str]:
        """Reasons, by id, of the utterances that some feature has in quarantine."""
        return {
            utterance: reason
            for array in self.arrays
            if not array.startswith(FUNCTIONALS)
            for utterance, reason in self[array].quarantined.items()
        }

    def _layer(self, name: FeatureName) -> Layer:
        attributes = self._groups.get(name.group_key)
        if attributes and name.array in attributes.features:
            return (stored_layer if self.is_plain(name.group_key) else PartedLayer)(self, name)
        if attributes and name.array in attributes.lookups:
            integers = FeatureName(name.group, attributes.lookups[name.array].ids)
            return LookupLayer(self, name, self[str(integers)])
        raise SettingsError(
            self.path,
            expected=f"one of the features {list_some(self.features, most=20)}",
            got=repr(str(name)),
            remedy="Name one of these, or add it with `tokser extract`.",
        )


def _row(store: Store, name: str, *, is_pooled: bool) -> tuple[str, ...]:
    """Describe a feature in a row; of one without rows, its functionals."""
    pooled = "yes" if is_pooled else "no"
    if name not in store:
        layer = store[str(FeatureName.parse(name).functionals())]
        return name, "functionals only", str(layer.dim), str(layer.dtype), "yes", pooled
    layer = store[name]
    complete = "yes" if layer.is_complete else "no"
    return name, f"{layer.num_rows:,}", str(layer.dim), str(layer.dtype), complete, pooled


def _reopen(path: str, check: bool) -> Store:
    return open_store(path, check=check)
