"""Reading a store: its utterances and its features. Never changes what is on disk."""

import io
from collections.abc import Iterator
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from tokser.errors import CorruptStoreError, SettingsError, StoreNotSealedError, list_some
from tokser.provenance import digest_of
from tokser.store.address import existing_backend
from tokser.store.backend import Backend
from tokser.store.documents import checked, damaged_files, ids_digest
from tokser.store.journal import layout_digest
from tokser.store.layer import Layer, LookupLayer
from tokser.store.layout import Layout
from tokser.store.schema import (
    FORMAT,
    FUNCTIONALS,
    GroupAttributes,
    RootAttributes,
    not_a_store,
)

if TYPE_CHECKING:
    import pandas as pd

Document = TypeVar("Document", RootAttributes, GroupAttributes)

__all__ = ["Store", "open_store", "parse_manifest", "read_root"]


def open_store(path: str | Path, *, check: bool = False) -> "Store":
    """Open a store, read only.

    Args:
        path: Folder or URL of the store, for instance `emodb.zarr`.
        check: Hold everything that is read against its checksum.

    Raises:
        MissingInputError: There is nothing at `path`.
        StoreMismatchError: What is there is not a store of this format.
        CorruptStoreError: What the store says about itself is damaged.
    """
    return Store(existing_backend(str(path)), check=check)


_COUNTS = ("num_samples", "sampling_rate_hz")
_NUMBERS = {
    "emodb": ("recognition_percent", "naturalness_percent"),
    "iemocap": ("valence", "arousal", "dominance"),
}
"""Columns that a corpus has beyond every manifest's, and that are numbers."""


def parse_manifest(text: str, dataset: str = "") -> "pd.DataFrame":
    """Read a manifest's CSV text; index = id, empty text stays empty.

    What is not known to be a number is text, though it may look like one: speaker 03.
    """
    import pandas as pd  # most of what importing this package would take

    table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, engine="c")
    for column in (*_COUNTS, *_NUMBERS.get(dataset, ())):
        if column in table:
            table[column] = pd.to_numeric(table[column])
    return table.set_index("id")


def read_root(backend: Backend) -> RootAttributes:
    """Read what a store says about itself; refuse what is no store of this format."""
    content = backend.read_document("")
    if content.get("format") != FORMAT:
        raise not_a_store(backend.address, f"format {content.get('format')}")
    return _parse(RootAttributes, checked(content, backend.address), backend.address)


class Store:
    """One corpus and its features.

    Attributes:
        path: Folder or URL of the store.
        dataset: Name of the corpus.
        backend: Raw reads.
        attributes: What the store says about itself.
        check: Whether everything that is read is held against its checksum.
    """

    def __init__(self, backend: Backend, *, check: bool = False) -> None:
        self.backend, self.check = backend, check
        self.path = backend.address
        self.attributes: RootAttributes = read_root(backend)
        self.dataset = self.attributes.dataset
        self._groups = {name: self._read_group(name) for name in self.attributes.groups}
        self._layouts: dict[str, Layout] = {}
        self._layers: dict[str, Layer] = {}

    def __repr__(self) -> str:
        return f"Store({self.path!r}, {self.dataset}, {len(self.features)} features)"

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self.path, self.check)

    def __getitem__(self, feature: str) -> "Layer":
        """Return a feature by name; `SettingsError` lists the names there are."""
        if feature not in self._layers:
            self._layers[feature] = self._layer(feature)
        return self._layers[feature]

    def __contains__(self, feature: str) -> bool:
        group, _, name = feature.rpartition("/")
        attributes = self._groups.get(group)
        return attributes is not None and name in attributes.features | attributes.lookups

    def __iter__(self) -> Iterator[str]:
        return iter(self.features)

    @cached_property
    def utterances(self) -> "pd.DataFrame":
        """The manifest's table, [utterances, columns], index = id, in store order."""
        return parse_manifest(self.manifest_text, self.dataset)

    @property
    def manifest_text(self) -> str:
        """The manifest's CSV text; with `check`, `CorruptStoreError` if its digest differs."""
        self._refuse_damaged("manifest")
        text = self.backend.manifest_text()
        if self.check and sha256(text.encode()).hexdigest() != self.attributes.manifest_digest:
            raise CorruptStoreError(
                f"{self.path}, manifest",
                expected=f"text with sha256 {self.attributes.manifest_digest}",
                got="other text",
                remedy="Run the same `tokser extract` again: it writes it anew.",
            )
        return text

    @cached_property
    def ids(self) -> list[str]:
        """Ids of the utterances, in store order; `CorruptStoreError` if their digest differs."""
        self._refuse_damaged("ids")
        found = self.backend.ids()
        digest = ids_digest(found)
        if digest != self.attributes.ids_digest:
            raise CorruptStoreError(
                f"{self.path}, ids",
                expected=f"ids with digest {self.attributes.ids_digest}",
                got=digest,
                remedy="Run the same `tokser extract` again: it writes them anew.",
            )
        return found

    @cached_property
    def _positions(self) -> dict[str, int]:
        return dict(zip(self.ids, range(len(self.ids)), strict=True))

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
        """Names of the features whose functionals are in the store, whole.

        Those in `features` come first; of the others only functionals were stored.
        """
        found = [
            name.removeprefix(f"{FUNCTIONALS}/")
            for name in self.arrays
            if self[name].kind == FUNCTIONALS and not _is_part(name) and self[name].is_sealed
        ]
        kept = [feature for feature in self.features if feature in found]
        return kept + [feature for feature in found if feature not in kept]

    @property
    def without_rows(self) -> list[str]:
        """Names of the features of which only functionals were stored; nothing is read."""
        prefix = f"{FUNCTIONALS}/"
        names = [name.removeprefix(prefix) for name in self.arrays if name.startswith(prefix)]
        return [name for name in names if not _is_part(name) and name not in self.features]

    def functionals(self, feature: str) -> "pd.DataFrame":
        """Return mean then standard deviation over rows, float32 [utterances, 2*dim].

        Args:
            feature: Its name; its rows need not be in the store.

        Raises:
            StoreNotSealedError: It has not been pooled.
        """
        name = f"{FUNCTIONALS}/{feature}"
        if name not in self:
            raise StoreNotSealedError(
                f"{self.path}, {feature}",
                expected="functionals",
                got="none",
                remedy=f"Run `tokser pool --store {self.path}`.",
            )
        import pandas as pd

        pooled = self[name]
        columns = [f"{part}_{i}" for part in ("mean", "std") for i in range(pooled.dim // 2)]
        values = pooled.ragged(pooled.ids).rows
        return pd.DataFrame(values, index=pd.Index(pooled.ids, name="id"), columns=columns)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups: features that share rows, shards and provenance."""
        return tuple(self._groups)

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

    def layout(self, group: str) -> Layout:
        """Where each utterance's rows lie; `CorruptStoreError` if its digest differs."""
        if group not in self._layouts:
            self._layouts[group] = read_layout(self.backend, group, self._groups[group])
        return self._layouts[group]

    def position(self, utterance: str) -> int:
        """Place of an utterance in the manifest; `SettingsError` if it is not in the store."""
        try:
            return self._positions[utterance]
        except KeyError:
            raise SettingsError(
                self.path,
                expected="the id of an utterance in the store",
                got=repr(utterance),
                remedy="`store.ids` lists them.",
            ) from None

    def identity(self, feature: str) -> str:
        """Digest of what a feature is: the manifest, its name, provenance, layout and dtype.

        Of a feature whose functionals alone were stored, it is theirs.
        """
        group, _, name = feature.rpartition("/")
        if feature not in self and f"{FUNCTIONALS}/{feature}" in self:
            group = f"{FUNCTIONALS}/{group}"
        return feature_identity(self.attributes, group, name, self._groups[group])

    def _layer(self, feature: str) -> Layer:
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

    def _read_group(self, name: str) -> GroupAttributes:
        return read_group(self.backend, name)

    def _refuse_damaged(self, part: str) -> None:
        """Look at digests first: one wrong bit in a text's length keeps HDF5 busy for ever."""
        files = {
            key: digest
            for key, digest in self.attributes.files.items()
            if key.partition("/")[0] in (part, "utterances.h5")
        }
        for key in damaged_files(self.backend, files):
            raise CorruptStoreError(
                f"{self.path}/{key}",
                expected=f"a file with digest {files[key]}",
                got="another, or none",
                remedy="Run the same `tokser extract` again: it writes it anew.",
            )


def read_group(backend: Backend, name: str) -> GroupAttributes:
    """Read what a group says about itself; `CorruptStoreError` if that is damaged."""
    content = checked(backend.read_document(name), f"{backend.address}, {name}")
    return _parse(GroupAttributes, content, f"{backend.address}, {name}")


def read_layout(backend: Backend, group: str, attributes: GroupAttributes) -> Layout:
    """Read a group's layout; `CorruptStoreError` if its digest differs."""
    starts, lengths = backend.read_layout(group)
    layout = Layout(starts, lengths, attributes.rows_per_shard, attributes.rows_per_chunk)
    found = layout_digest(layout)
    if found != attributes.layout_digest:
        raise CorruptStoreError(
            f"{backend.address}, {group}",
            expected=f"a layout with digest {attributes.layout_digest}",
            got=found,
            remedy="row_starts or row_lengths are damaged: run the same `tokser extract` again.",
        )
    return layout


def _parse(kind: type[Document], content: dict[str, Any], where: str) -> Document:
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise not_a_store(where, f"a document of another version ({list_some(faults)})") from error


def feature_identity(
    root: RootAttributes, group: str, name: str, attributes: GroupAttributes
) -> str:
    """Return the sha256 (hex) of what a feature is, however it is packed."""
    spec = (attributes.features | attributes.lookups)[name]
    return digest_of(
        [
            root.manifest_digest,
            f"{group}/{name}",
            attributes.provenance,
            attributes.layout_digest,
            spec.model_dump(mode="json", exclude={"compression"}),
        ]
    )


def _reopen(path: str, check: bool) -> Store:
    return open_store(path, check=check)


def _is_part(name: str) -> bool:
    """Tell whether an array holds one functional of a feature: `layer-6@std`, of any encoder."""
    return "@" in name.rpartition("/")[2]
