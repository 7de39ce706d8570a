"""What a store says about itself: the attributes of its root and of its groups (format 1)."""

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tokser.errors import SettingsError, StoreMismatchError
from tokser.names import Name, is_safe_key
from tokser.provenance import digest_of, first_spelling
from tokser.store.feature_name import FUNCTIONALS, PARTS, FeatureName, rows_group

__all__ = [
    "FORMATS",
    "FUNCTIONALS",
    "GROUP_KEYS",
    "PARTS",
    "TUNED_ON",
    "Compression",
    "FeatureSpec",
    "GroupAttributes",
    "GroupPlan",
    "Kind",
    "LookupSpec",
    "Removal",
    "Removing",
    "RootAttributes",
    "TableVersion",
    "feature_identity",
    "not_a_store",
    "require_names",
]

FORMATS: tuple[int | str, ...] = (1, "1.1")
"""1.1 is a store that changed: of its table, in its groups, or because utterances were removed."""

TUNED_ON = "tuned_on"
"""Key of a group's provenance: whose labels the model that made its rows had seen."""

GROUP_KEYS = frozenset(
    {"row_starts", "row_lengths", "numbers", PARTS, "zarr.json", "group.json", "layout.h5"}
)
"""What lies in a group beside its features."""


def _safe(key: str) -> str:
    if not is_safe_key(key):
        raise ValueError(f"{key!r} would leave the store")
    return key


Key = Annotated[str, AfterValidator(_safe)]
"""A name in a document, which becomes part of a path."""

Kind = Literal["speech", "text", "aligned", "functionals"]
Compression = Literal["none", "zstd", "blosc", "gzip"]


class _Attributes(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FeatureSpec(_Attributes):
    """One flat array of a group: `[rows, dim]`, or `[rows]` where `dim` is None."""

    dim: int | None
    dtype: Literal["float16", "float32", "int32"]
    compression: Compression = "none"

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Shape of one row: `(dim,)` or `()`."""
        return () if self.dim is None else (self.dim,)

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return (self.dim or 1) * np.dtype(self.dtype).itemsize

    def holds_the_same(self, other: "FeatureSpec") -> bool:
        """Tell whether both hold the same rows, however they are packed."""
        return (self.dim, self.dtype) == (other.dim, other.dtype)


class LookupSpec(_Attributes):
    """A feature whose row is `table[position of ids[row] in keys]`: stored once per key.

    In the group lie the arrays `<name>_keys` (sorted int32 [keys]) and `<name>_table` [keys, dim].
    """

    ids: str
    """Integer feature of the same group, for instance `token_ids`."""
    dim: int
    dtype: Literal["float16", "float32"]
    checksum: str
    """xxh3-64 (hex) of the keys' bytes followed by the table's."""
    place: int = 0
    """Times that the table was replaced; decides where it lies."""


class GroupAttributes(_Attributes):
    """Attributes of a group: features that share rows, shards and provenance."""

    kind: Kind
    features: dict[Key, FeatureSpec] = Field(default_factory=dict)
    lookups: dict[Key, LookupSpec] = Field(default_factory=dict)
    rows_per_shard: int
    rows_per_chunk: int
    num_rows: int
    layout_digest: str
    provenance: dict[str, Any]
    source: str = ""
    """Where the model was, a hub id or a folder; it may have moved since."""
    files: dict[Key, str] = Field(default_factory=dict)
    """xxh3-64 (hex) of the group's small files, by key."""
    parts: int = 0
    """Parts that were added to it since."""
    table_version: int = 1
    """Version of the utterance table that its rows are of."""
    numbered: bool = False
    """Whether `numbers` says whose rows it holds; otherwise those of utterances 0, 1, 2..."""

    def document(self) -> dict[str, Any]:
        """Return it as JSON; as format 1 has it, if it uses nothing else."""
        content = _without_defaults(self, ("parts", "table_version", "numbered"))
        for spec in content["lookups"].values():
            if not spec["place"]:
                del spec["place"]
        return content


class TableVersion(_Attributes):
    """A version of the utterance table."""

    number: int
    created: str = ""
    """When it was written, ISO 8601 in UTC; empty for the first."""
    manifest_digest: str
    num_utterances: int
    ids_digest: str
    num_added: int = 0
    num_changed: int = 0
    """Utterances of which a cell changed."""
    columns: tuple[str, ...] = ()
    """Columns in which something changed."""
    files: dict[Key, str] = Field(default_factory=dict)


class Removal(_Attributes):
    """Utterances that were removed: how many, and when."""

    when: str
    num_utterances: int


class Removing(_Attributes):
    """A removal that is under way."""

    ids: tuple[str, ...]
    numbers: tuple[int, ...]


class RootAttributes(_Attributes):
    """Attributes of the store's root."""

    format: Literal[1, "1.1"] = 1
    dataset: str
    """Name of the corpus."""
    root: str = ""
    """Folder that the recordings were read from; it may have moved since."""
    manifest_digest: str
    """sha256 of the manifest's CSV text."""
    num_utterances: int
    ids_digest: str
    """xxh3-64 (hex) of the ids, a line feed between."""
    groups: tuple[Key, ...] = ()
    files: dict[Key, str] = Field(default_factory=dict)
    """xxh3-64 (hex) of the manifest's files, by key."""
    origin: str = ""
    """Digest of the first manifest, which the journals of a store that changed go by."""
    version: int = 1
    """Version of the utterance table."""
    versions: tuple[TableVersion, ...] = ()
    """All of them, oldest first; none where there is but one."""
    removed: tuple[int, ...] = ()
    """Numbers of the utterances that were removed, in order."""
    removals: tuple[Removal, ...] = ()
    removing: Removing | None = None

    @property
    def journal_digest(self) -> str:
        """What ties journal entries to this store."""
        return self.origin or self.manifest_digest

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Number of each utterance, int64 [utterances]: given once and never to another."""
        ever = np.arange(self.num_utterances + len(self.removed), dtype=np.int64)
        return np.setdiff1d(ever, np.array(self.removed, dtype=np.int64), assume_unique=True)

    def all_versions(self) -> tuple[TableVersion, ...]:
        """Return the versions of the table, the present one last."""
        if self.versions:
            return self.versions
        present = TableVersion(
            number=self.version,
            manifest_digest=self.manifest_digest,
            num_utterances=self.num_utterances,
            ids_digest=self.ids_digest,
            files=self.files,
        )
        return (present,)

    def changed(self, **update: Any) -> "RootAttributes":
        """Return what the root says once it is one of format 1.1."""
        return self.model_copy(update={"format": "1.1", "origin": self.journal_digest, **update})

    def document(self) -> dict[str, Any]:
        """Return it as JSON; as format 1 has it, if it uses nothing else."""
        new = ("origin", "version", "versions", "removed", "removals", "removing")
        return _without_defaults(self, new if self.format == 1 else ())


def _without_defaults(attributes: BaseModel, names: tuple[str, ...]) -> dict[str, Any]:
    content: dict[str, Any] = attributes.model_dump(mode="json")
    fields = type(attributes).model_fields
    for name in names:
        if getattr(attributes, name) == fields[name].default:
            del content[name]
    return content


class GroupPlan(_Attributes):
    """Everything about a group that is known before an encoder runs.

    Attributes:
        name: Name in the store, for instance `whisper-base`.
        kind: What its rows are.
        features: Arrays to be written, by name.
        lengths: Rows of each utterance, in store order.
        provenance: What makes the rows: model, revision, weights, precision and so on.
        source: Where the model is, a hub id or a folder.
        shard_bytes: Budget of one shard over all arrays of this plan.
        cut: Rows per shard and per chunk, where they are not to follow from the budget.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    name: str
    kind: Kind
    features: dict[str, FeatureSpec]
    lengths: NDArray[np.int64]
    provenance: dict[str, Any]
    source: str = ""
    shard_bytes: int = 256 * 2**20
    cut: tuple[int, int] | None = None

    def refuse_unless_same(
        self, found: GroupAttributes, found_lengths: NDArray[np.int64], where: str
    ) -> None:
        """Raise, naming both sides, unless this plan continues what the store holds.

        Raises:
            StoreMismatchError: Kind, provenance, row counts or a feature's shape differ.
        """
        differences = self._unlike(found)
        if not np.array_equal(found_lengths, self.lengths):
            differences.append(
                ("rows", str(int(found_lengths.sum())), str(int(self.lengths.sum())))
            )
        differences += [
            (name, repr(found.features[name]), repr(self.features[name]))
            for name in self.features_unlike(found)
        ]
        self._refuse(differences, where)

    def is_another(self, found: GroupAttributes, lengths: NDArray[np.int64]) -> bool:
        """Tell whether what the store holds was made by another model, or of other rows."""
        return bool(self._unlike(found)) or not np.array_equal(lengths, self.lengths)

    def features_unlike(self, found: GroupAttributes) -> list[str]:
        """Name the features whose width or type is another in the store."""
        return [
            name
            for name, spec in self.features.items()
            if name in found.features and not found.features[name].holds_the_same(spec)
        ]

    def refuse_another_model(self, found: GroupAttributes, where: str) -> None:
        """Raise `StoreMismatchError`, naming both sides, unless the provenance is the store's."""
        self._refuse(self._unlike(found), where)

    def _unlike(self, found: GroupAttributes) -> list[tuple[str, str, str]]:
        differences = _differences(found.provenance, self.provenance)
        if found.kind != self.kind:
            differences.append(("kind", found.kind, self.kind))
        return differences

    def _refuse(self, differences: list[tuple[str, str, str]], where: str) -> None:
        if differences:
            raise StoreMismatchError(
                f"{where}, {self.name}",
                expected="; ".join(f"{key} {old} as in the store" for key, old, _ in differences),
                got="; ".join(f"{key} {new}" for key, _, new in differences),
                remedy="Use the same encoder and settings, or write to another store.",
            )


def require_names(plan: GroupPlan, store: str) -> None:
    """Raise unless a planned group and its features can be keys of a store.

    Raises:
        SettingsError: A name is not one that `Name.of` takes.
    """
    pooled = plan.kind == FUNCTIONALS
    group = rows_group(plan.name) if pooled else plan.name
    Name.of(group, f"{store}, name of an encoder or run")
    for array in plan.features:
        feature = FeatureName.parse(f"{group}/{array}").feature if pooled else array
        if pooled and feature == FUNCTIONALS:  # of whole utterances; reserved at the root alone
            continue
        require_feature_name(feature, f"{store}, {plan.name}")


def require_feature_name(name: str, where: str) -> None:
    """Raise `SettingsError` unless a feature of a group can have this name."""
    Name.of(name, where)
    if name.casefold() in GROUP_KEYS:
        raise SettingsError(
            where,
            expected=f"a feature of another name than {', '.join(sorted(GROUP_KEYS))}",
            got=repr(name),
            remedy="Name it otherwise; nothing was written.",
        )


def _differences(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Name what differs, and nothing else: within nested mappings, the keys that differ."""
    found = []
    for key in sorted(old.keys() | new.keys()):
        before, now = old.get(key), new.get(key)
        if digest_of(first_spelling(key, before)) == digest_of(first_spelling(key, now)):
            continue
        if isinstance(before, dict) and isinstance(now, dict):
            inner = _differences(first_spelling(key, before), first_spelling(key, now))
            found += [(f"{key}.{name}", stored, given) for name, stored, given in inner]
        else:
            found.append((key, str(before), str(now)))
    return found


def feature_identity(
    root: RootAttributes, group: str, name: str, attributes: GroupAttributes
) -> str:
    """Return the sha256 (hex) of what a feature is, however packed: journal entries carry it."""
    spec = (attributes.features | attributes.lookups)[name]
    return digest_of(
        [
            root.journal_digest,
            f"{group}/{name}",
            first_spelling("provenance", attributes.provenance),
            attributes.layout_digest,
            spec.model_dump(mode="json", exclude={"compression", "place"}),
        ]
    )


def not_a_store(address: str, got: str) -> StoreMismatchError:
    """Return the error for what is no store that this version reads."""
    return StoreMismatchError(
        address,
        expected=f"a tokser store of format {' or '.join(map(str, FORMATS))}",
        got=got,
        remedy="Correct the path; nothing was changed.",
    )
