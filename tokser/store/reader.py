"""Reading a store: its utterances and its features. Never changes what is on disk."""

import io
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import pandas as pd

from tokser.errors import SettingsError, list_some
from tokser.provenance import digest_of
from tokser.store.layer import Layer, LookupLayer
from tokser.store.schema import FUNCTIONALS, GroupAttributes, RootAttributes
from tokser.store.zarr_backend import ZarrBackend

__all__ = ["Store", "open_store", "parse_manifest"]


def open_store(path: str | Path) -> "Store":
    """Open a store, read only.

    Args:
        path: Folder of the store, for instance `emodb.zarr`.

    Raises:
        MissingInputError: There is nothing at `path`.
        StoreMismatchError: What is there is not a store of this format.
    """
    return Store(ZarrBackend.open(Path(path)))


def parse_manifest(text: str) -> pd.DataFrame:
    """Read a manifest's CSV text; index = id, empty text stays empty."""
    table = pd.read_csv(io.StringIO(text), dtype={"id": str}, keep_default_na=False, engine="c")
    table = table.set_index("id")
    for column in ("speaker", "sex", "session", "language", "transcript", "label", "sentence"):
        if column in table:
            table[column] = table[column].astype(str)
    return table


class Store:
    """One corpus and its features.

    Attributes:
        path: Where the store lies.
        dataset: Name of the corpus.
        backend: Raw reads.
        attributes: What the store says about itself.
    """

    def __init__(self, backend: ZarrBackend) -> None:
        self.backend = backend
        self.path = str(backend.path)
        self.attributes: RootAttributes = backend.root_attributes()
        self.dataset = self.attributes.dataset
        self._groups = {name: backend.group_attributes(name) for name in self.attributes.groups}

    def __repr__(self) -> str:
        return f"Store({self.path!r}, {self.dataset}, {len(self.features)} features)"

    def __getitem__(self, feature: str) -> "Layer":
        """Return a feature by name; `SettingsError` lists the names there are."""
        group, _, name = feature.rpartition("/")
        attributes = self._groups.get(group)
        if attributes and name in attributes.features:
            return Layer(self, group, name)
        if attributes and name in attributes.lookups:
            return LookupLayer(self, group, name)
        raise SettingsError(
            self.path,
            expected=f"one of the features {list_some(self.features, most=20)}",
            got=repr(feature),
            remedy="Name one of these, or add it with `tokser extract`.",
        )

    def __contains__(self, feature: str) -> bool:
        group, _, name = feature.rpartition("/")
        attributes = self._groups.get(group)
        return attributes is not None and name in attributes.features | attributes.lookups

    def __iter__(self) -> Iterator[str]:
        return iter(self.features)

    @cached_property
    def utterances(self) -> pd.DataFrame:
        """The manifest's table, [utterances, columns], index = id, in store order."""
        return parse_manifest(self.manifest_text)

    @property
    def manifest_text(self) -> str:
        """The manifest's CSV text."""
        return self.backend.manifest_text()

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
        """Names of the features whose functionals are in the store, whole."""
        return [
            feature
            for feature in self.features
            if (name := f"{FUNCTIONALS}/{feature}") in self and self[name].is_sealed
        ]

    @property
    def arrays(self) -> list[str]:
        """Names of everything with a journal: features, token ids, functionals."""
        return [
            f"{group}/{name}"
            for group, attributes in self._groups.items()
            for name in attributes.features
        ]

    @property
    def quarantined(self) -> dict[str, str]:
        """Reasons, by id, of the utterances that some feature had to set aside."""
        return {
            utterance: reason
            for array in self.arrays
            if not array.startswith(FUNCTIONALS)
            for utterance, reason in self[array].quarantined.items()
        }

    def group(self, name: str) -> GroupAttributes:
        """What a group says about itself."""
        return self._groups[name]

    def identity(self, feature: str) -> str:
        """Digest of what a feature is: the manifest, its provenance, its name."""
        return digest_of([self.attributes.manifest_digest, feature, self[feature].provenance])
