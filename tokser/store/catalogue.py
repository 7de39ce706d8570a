"""What a store contains: its utterance table, its groups, and where their rows lie."""

import abc
from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from tokser.errors import (
    CorruptStoreError,
    SettingsError,
    StoreIncompleteError,
    StoreMismatchError,
)
from tokser.provenance import digest_of
from tokser.store.backend import Backend
from tokser.store.descriptions import read_group, read_layout, read_parts, read_root
from tokser.store.documents import damaged_files, ids_digest
from tokser.store.feature_name import FeatureName
from tokser.store.layout import Layout, PartedLayout
from tokser.store.parts import Part
from tokser.store.schema import GroupAttributes, RootAttributes, TableVersion, feature_identity
from tokser.store.table import cells, changed_rows, columns_read, parse_manifest, same_cells

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["Catalogue"]


class Catalogue(abc.ABC):
    """One corpus and the groups of its features; `Store` adds the features themselves.

    Attributes:
        path: Folder or URL of the store.
        dataset: Name of the corpus.
        backend: Raw reads.
        attributes: What the store says about itself.
        check: Whether the checksum of everything that is read is verified.
    """

    def __init__(self, backend: Backend, *, check: bool = False) -> None:
        self.backend, self.check = backend, check
        self.path = backend.address
        self.attributes: RootAttributes = read_root(backend)
        if self.attributes.removing is not None:
            raise StoreIncompleteError(
                self.path,
                expected="a store without an unfinished change",
                got="one in which a removal of utterances was stopped",
                remedy="Run the same `tokser store remove` again: it resumes where it stopped.",
            )
        self.dataset = self.attributes.dataset
        self._groups = {name: read_group(backend, name) for name in self.attributes.groups}
        self._layouts: dict[str, Layout] = {}
        self._parts: dict[str, list[Part]] = {}

    @abc.abstractmethod
    def __getitem__(self, feature: str) -> Any:
        """Return a feature by name."""

    @abc.abstractmethod
    def functionals(self, feature: str) -> "pd.DataFrame":
        """Return mean then standard deviation over rows, float32 [utterances, 2*dim]."""

    def __contains__(self, feature: str) -> bool:
        name = FeatureName.parse(feature)
        attributes = self._groups.get(name.group_key)
        return attributes is not None and name.array in attributes.features | attributes.lookups

    @cached_property
    def utterances(self) -> "pd.DataFrame":
        """The manifest's table, [utterances, columns], index = id, in store order."""
        return parse_manifest(self.manifest_text, self.dataset)

    @property
    def version(self) -> int:
        """Number of the present version of the utterance table, from 1 on."""
        return self.attributes.version

    @property
    def versions(self) -> tuple[TableVersion, ...]:
        """All versions of the utterance table, oldest first: when they were made, what changed."""
        return self.attributes.all_versions()

    def table_of(self, version: int) -> str:
        """CSV text of a version of the utterance table; `CorruptStoreError` if it is damaged."""
        (about,) = (one for one in self.versions if one.number == version)
        for key in damaged_files(self.backend, about.files):
            raise self._damaged_file(key, about.files[key])
        return self.backend.manifest_text(version)

    @property
    def manifest_text(self) -> str:
        """The manifest's CSV text; with `check`, `CorruptStoreError` if its digest differs."""
        self._refuse_damaged("manifest")
        text = self.backend.manifest_text(self.version)
        if self.check and sha256(text.encode()).hexdigest() != self.attributes.manifest_digest:
            raise CorruptStoreError(
                f"{self.path}, manifest",
                expected=f"text with sha256 {self.attributes.manifest_digest}",
                got="other text",
                remedy="Run the same `tokser extract` again: it writes it again.",
            )
        return text

    @cached_property
    def ids(self) -> list[str]:
        """Ids of the utterances, in store order; `CorruptStoreError` if their digest differs."""
        self._refuse_damaged("ids")
        found = self.backend.ids(self.version)
        digest = ids_digest(found)
        if digest != self.attributes.ids_digest:
            raise CorruptStoreError(
                f"{self.path}, ids",
                expected=f"ids with digest {self.attributes.ids_digest}",
                got=digest,
                remedy="Run the same `tokser extract` again: it writes them again.",
            )
        return found

    @cached_property
    def _positions(self) -> dict[str, int]:
        return dict(zip(self.ids, range(len(self.ids)), strict=True))

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

    def group(self, name: str) -> GroupAttributes:
        """What a group says about itself."""
        return self._groups[name]

    def layout(self, group: str) -> "Layout | PartedLayout":
        """Where each utterance's rows lie; `CorruptStoreError` if its digest differs."""
        if self.is_plain(group):
            return self.plain_layout(group)
        parts = [(part.layout, part.positions) for part in self.parts(group)]
        return PartedLayout(parts, self.attributes.num_utterances)

    def is_plain(self, group: str) -> bool:
        """Tell whether a group has the rows of every utterance, in one part, in order."""
        about, root = self._groups[group], self.attributes
        if root.format == 1:
            return True
        if about.parts or about.numbered or root.removed:
            return False
        covers = len(self.plain_layout(group).row_lengths) == root.num_utterances
        return covers and not len(self.outdated(group))

    def parts(self, group: str) -> list[Part]:
        """Return the parts of a group, oldest first."""
        if group not in self._parts:
            self._parts[group] = read_parts(self.backend, self.attributes, group)
        return self._parts[group]

    def outdated(self, group: str) -> "NDArray[np.int64]":
        """Positions of the utterances whose rows in a group are missing, or of another version.

        Rows of text are outdated where the transcript changed, rows of speech where the length of
        the recording did; what was made of both, where either did.
        """
        about, root = self._groups[group], self.attributes
        has = np.zeros(root.num_utterances, dtype=bool)
        for part in self.parts(group):
            has[part.positions[part.positions >= 0]] = True
        if about.table_version != root.version:
            old, new = (cells(self.table_of(v)) for v in (about.table_version, root.version))
            has &= ~changed_rows(old, new, columns_read(self._groups, group))
        return np.flatnonzero(~has)

    def plain_layout(self, group: str) -> Layout:
        """Where the rows of the utterances of a group's first part lie."""
        if group not in self._layouts:
            self._layouts[group] = read_layout(self.backend, group, self._groups[group])
        return self._layouts[group]

    def has_changed(self) -> bool:
        """Tell whether the table, or what was removed, is another than when it was opened."""
        return read_root(self.backend) != self.attributes

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

    def identity(self, feature: str, *, without: Sequence[str] = ()) -> str:
        """Digest of what a feature is: the manifest, its name, provenance, layout and dtype.

        Of a feature whose functionals alone were stored, it is theirs. It is another as soon as
        anything in the table changes, or rows are added or removed.

        Args:
            feature: Its name.
            without: Columns of the table that do not matter, for instance `label`.
        """
        name = FeatureName.parse(feature)
        if feature not in self and str(name.functionals()) in self:
            name = name.functionals()
        group = name.group_key
        about = self._groups[group]
        own = feature_identity(self.attributes, group, name.array, about)
        if self.attributes.format == 1:
            return own
        parts = [part.attributes.layout_digest for part in self.parts(group)]
        table = self._table_digest(tuple(without))
        if table == self.attributes.origin and len(parts) == 1 and not about.numbered:
            return own
        return digest_of([own, table, parts, about.table_version])

    def _table_digest(self, without: tuple[str, ...]) -> str:
        """Digest of the oldest version of the table that is the present one but for columns."""
        if not without:
            return self.attributes.manifest_digest
        present = cells(self.manifest_text)
        for version in self.versions:
            if version.num_utterances == len(present):
                other = cells(self.table_of(version.number))
                if same_cells(other, present, without):
                    return version.manifest_digest
        return self.attributes.manifest_digest

    def _refuse_damaged(self, part: str) -> None:
        """Verify digests first: one wrong bit in a text's length makes HDF5 loop for ever."""
        files = {
            key: digest
            for key, digest in self.attributes.files.items()
            if f"/{part}/" in f"/{key}" or key.endswith("utterances.h5")
        }
        for key in damaged_files(self.backend, files):
            if self.has_changed():
                raise StoreMismatchError(
                    self.path,
                    expected="the store as it was when it was opened",
                    got="one whose utterance table changed since",
                    remedy="Open it again.",
                )
            raise self._damaged_file(key, files[key])

    def _damaged_file(self, key: str, digest: str) -> CorruptStoreError:
        return CorruptStoreError(
            f"{self.path}/{key}",
            expected=f"a file with digest {digest}",
            got="another, or none",
            remedy="Run the same `tokser extract` again: it writes it again.",
        )
