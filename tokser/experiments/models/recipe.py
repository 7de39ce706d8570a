"""How functionals are computed from recordings and transcripts, without the store."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tokser.errors import StoreMismatchError
from tokser.experiments.feature_expressions import Term
from tokser.functionals.moments import MOMENTS
from tokser.functionals.tables import stored_name
from tokser.provenance import OF_THE_FILE, UTTERANCE_LEVEL, first_spelling
from tokser.store import FeatureName, Store
from tokser.store.schema import TUNED_ON

__all__ = ["FeatureRecipe", "FeatureUse", "GroupRecipe"]

GroupKind = Literal["speech", "text", "aligned"]
_NOT_COMPARED = ("revision", "trained_on", "source_identity", *OF_THE_FILE)
"""Provenance that may differ without the activations being others: weights have their digest."""


@dataclass(frozen=True)
class FeatureUse:
    """One feature of a group.

    Attributes:
        dim: Width of its rows; 0 where only an aligner knows of them.
        dtype: Type that its rows are stored in, through which functionals go: float16 rounds;
            empty where only functionals were stored.
        functionals: What is taken of it; none of a feature that only an aligner reads.
    """

    dim: int
    dtype: str
    functionals: tuple[str, ...] = ()


@dataclass(frozen=True)
class GroupRecipe:
    """What one encoder, the tuned blocks of one, or one aligner computes.

    Attributes:
        name: Name of the group in a store, for instance `whisper-base`.
        kind: What its rows are.
        source: Where the model was: a hub id or a folder.
        provenance: Model, revision, weights' sha256, precision, context and so on, as a store
            keeps it.
        features: What is used of it, by name within the group, `layer-3` for instance.
    """

    name: str
    kind: GroupKind
    source: str
    provenance: dict[str, Any]
    features: dict[str, FeatureUse]

    @property
    def weights_sha256(self) -> str:
        """Digest of the weights."""
        weights = self.provenance.get("weights_sha256", "")
        return str(self.provenance.get("checkpoint_sha256", weights))

    @property
    def is_tuned(self) -> bool:
        """Whether `tokser tune` made the blocks that compute it, from a layer of an encoder."""
        return TUNED_ON in self.provenance

    @property
    def is_encoder(self) -> bool:
        """Whether it is an encoder, which reads recordings or transcripts."""
        return self.kind != "aligned" and not self.is_tuned


@dataclass(frozen=True)
class FeatureRecipe:
    """Everything that is needed to compute functionals from recordings or transcripts.

    Attributes:
        groups: Encoders first, then tuned blocks, then aligners: each reads what is before it.
        languages: Languages of the utterances that were trained on, as the manifest says.
        aligners: Folder with the checkpoint of each aligner, by name of its group.
        tuned: Folder with the checkpoint of tuned blocks, likewise.
    """

    groups: tuple[GroupRecipe, ...]
    languages: tuple[str, ...] = ()
    aligners: Mapping[str, Path] = field(default_factory=dict)
    tuned: Mapping[str, Path] = field(default_factory=dict)

    def group(self, name: str) -> GroupRecipe:
        """Return a group by name; `KeyError` without."""
        return {group.name: group for group in self.groups}[name]

    def is_utterance_level(self, feature: str) -> bool:
        """Tell whether a feature is one vector of an utterance, and no moments of rows."""
        name = FeatureName.parse(feature)
        return name.feature in self.group(name.group).provenance.get(UTTERANCE_LEVEL, ())

    @property
    def needs_transcripts(self) -> bool:
        """Whether an encoder reads text."""
        return any(group.kind == "text" for group in self.groups)

    @property
    def needs_audio(self) -> bool:
        """Whether an encoder hears recordings."""
        return any(group.kind == "speech" for group in self.groups)

    @classmethod
    def of_store(
        cls,
        store: Store,
        terms: Iterable[Term],
        *,
        languages: Sequence[str] = (),
        aligners: Mapping[str, Path] | None = None,
        tuned: Mapping[str, Path] | None = None,
    ) -> "FeatureRecipe":
        """Read from a store how the features of some terms were made.

        Args:
            store: The store.
            terms: What is used.
            languages: Of the utterances.
            aligners: Folders of pretraining runs, by name of the run.
            tuned: Folders of folds that `tokser tune` wrote, by name of the group.
        """
        functionals: dict[str, tuple[str, ...]] = {}
        for term in terms:
            for name in term.features:
                had = functionals.get(name, ())
                functionals[name] = tuple(dict.fromkeys((*had, *term.functionals)))
        groups: dict[str, GroupRecipe] = {}
        for feature, taken in functionals.items():
            _add(groups, store, feature, taken)
        kinds = ("speech", "text", "aligned")
        ordered = sorted(
            groups.values(), key=lambda one: (not one.is_encoder, kinds.index(one.kind))
        )
        used = {name: own for name, own in (tuned or {}).items() if name in groups}
        return cls(tuple(ordered), tuple(languages), dict(aligners or {}), used)

    def require_made_alike(self, store: Store) -> None:
        """Raise, naming both sides, unless a store's features were made as the model's were.

        Raises:
            StoreMismatchError: A feature is not there, not pooled, or of another encoder.
        """
        for group in self.groups:
            for name, use in group.features.items():
                if use.functionals:
                    _require_alike(store, group, name, use)


def _add(
    groups: dict[str, GroupRecipe], store: Store, feature: str, functionals: tuple[str, ...]
) -> None:
    name = FeatureName.parse(feature)
    made_by = _provenance(store, feature)
    kind = _kind(store, feature, made_by)
    if kind == "aligned":
        for role, names in made_by["features"].items():
            for one in names.split(","):
                if one in store or one in store.pooled:
                    _add(groups, store, one, ())
                else:
                    _add_as_trained(groups, one, role, made_by["trained_on"][role])
    elif TUNED_ON in made_by:
        below = str(made_by["source_feature"])
        if below in store or below in store.pooled:
            _add(groups, store, below, ())
        else:
            _add_as_trained(groups, below, kind, made_by["encoder"])
    use = FeatureUse(_dim(store, feature), _dtype(store, feature), functionals)
    known = groups.get(name.group)
    features = dict(known.features) if known else {}
    before = features.get(name.feature)
    if before is not None:
        merged = tuple(dict.fromkeys((*before.functionals, *functionals)))
        use = FeatureUse(use.dim, use.dtype, merged)
    features[name.feature] = use
    groups[name.group] = GroupRecipe(name.group, kind, _source(store, name), made_by, features)


def _add_as_trained(
    groups: dict[str, GroupRecipe], feature: str, role: str, made_by: Mapping[str, Any]
) -> None:
    """Take what an aligner or tuned blocks say of their input, if the store has it no longer."""
    name = FeatureName.parse(feature)
    known = groups.get(name.group)
    features = (known.features if known else {}) | {name.feature: FeatureUse(0, "")}
    kind: GroupKind = "speech" if role == "speech" else "text"
    source = known.source if known else ""
    groups[name.group] = GroupRecipe(name.group, kind, source, dict(made_by), features)


def _source(store: Store, name: FeatureName) -> str:
    groups = (name.group_key, name.functionals().group_key)
    return next((store.group(one).source for one in groups if one in store.groups), "")


def _provenance(store: Store, feature: str) -> dict[str, Any]:
    """Return what made a feature's rows; where only functionals were stored, what made those."""
    if feature in store:
        return dict(store[feature].provenance)
    pooled = store[str(FeatureName.parse(feature).functionals())]
    return dict(pooled.provenance["source"])


def _kind(store: Store, feature: str, made_by: Mapping[str, Any]) -> GroupKind:
    if feature in store:
        return store[feature].kind  # type: ignore[return-value]
    if "tokenizer_digest" in made_by.get("encoder", made_by):
        return "text"
    return "aligned" if "variant" in made_by else "speech"


def _dim(store: Store, feature: str) -> int:
    if feature in store:
        return int(store[feature].dim)
    dim = int(store[str(FeatureName.parse(feature).functionals())].dim)
    return dim if store.is_utterance_level(feature) else dim // len(MOMENTS)


def _dtype(store: Store, feature: str) -> str:
    if store.is_utterance_level(feature):
        return "float32"
    return str(store[feature].dtype) if feature in store else ""


def _require_alike(store: Store, group: GroupRecipe, name: str, use: FeatureUse) -> None:
    feature = f"{group.name}/{name}"
    extra = [stored_name(feature, f) for f in use.functionals if f not in MOMENTS]
    lacking = [one for one in extra if one not in store]
    if feature not in store.pooled or lacking:
        raise StoreMismatchError(
            f"{store.path}, {feature}",
            expected=f"the functionals {', '.join(use.functionals)}, which the model reads",
            got="a store without them" if feature in store else "a store without this feature",
            remedy="Write it with `tokser apply`, then run `tokser pool`."
            if group.is_tuned
            else f"Extract it with {group.source or group.name}, then run `tokser pool`.",
        )
    made_by = _provenance(store, feature)
    both = [
        (key, group.provenance.get(key), made_by.get(key))
        for key in sorted(group.provenance.keys() | made_by.keys())
        if key not in _NOT_COMPARED
        and first_spelling(key, group.provenance.get(key)) != first_spelling(key, made_by.get(key))
    ]
    here = _dtype(store, feature)
    # Blocks that were kept with their head never rounded their layers; `tokser apply` does.
    if here != use.dtype and here and use.dtype and not group.is_tuned:
        both.append(("dtype", use.dtype, here))
    if both:
        raise StoreMismatchError(
            f"{store.path}, {feature}",
            expected="; ".join(f"{key} {old}" for key, old, _ in both) + " as at training",
            got="; ".join(f"{key} {new}" for key, _, new in both),
            remedy="Extract this corpus with the encoder and settings of the model.",
        )
