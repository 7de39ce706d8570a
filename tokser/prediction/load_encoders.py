"""The encoders that a model names, loaded, and held against what it was trained with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from tokser.encoders.base import StoredDtype, precision_of
from tokser.encoders.layers import full_provenance, last_layer, layer_name
from tokser.encoders.upper_blocks import HasUpperBlocks, UpperBlocks
from tokser.errors import CheckpointError, MissingInputError, SettingsError
from tokser.experiments.models import FeatureRecipe, GroupRecipe
from tokser.extraction.encoder_spec import EncoderSpec
from tokser.extraction.extractor import Extractor
from tokser.extraction.feature_specs import TOKEN_IDS, WORD, FeatureSpecs
from tokser.progress import say
from tokser.provenance import IMPORTED

__all__ = ["LoadedEncoder", "blocks_above", "load_encoders"]

_OF_THE_CORPUS = frozenset({"model", "revision", "resampling"})
"""Provenance that says what a corpus was, or where a model came from: weights have their digest."""
_OF_LONG = frozenset({"window_s", "window_overlap_s"})
"""Provenance that some encoders have where a recording of the corpus is long."""


@dataclass(frozen=True)
class LoadedEncoder:
    """An encoder of a model.

    Attributes:
        recipe: What the model uses of it.
        extractor: The encoder, and how it computes.
        layers: Number of each layer that is used, by the name of its feature.
    """

    recipe: GroupRecipe
    extractor: Extractor
    layers: Mapping[str, int]


def load_encoders(
    recipe: FeatureRecipe,
    *,
    sources: Sequence[str] = (),
    device: str = "auto",
    batch_seconds: float | None = None,
) -> list[LoadedEncoder]:
    """Load the encoders of a recipe, with the precision and context that it names.

    Args:
        recipe: Of the model.
        sources: Folders or hub ids of encoders that are elsewhere now than at training.
        device: `auto`, `cpu`, `cuda`, ...
        batch_seconds: Audio in a batch, in seconds; None: what suits the device.

    Raises:
        SettingsError: A source belongs to none of the encoders.
        MissingInputError: An encoder is not where it was.
        CheckpointError: An encoder has other weights, or is other in something else that decides
            its activations, or has no such layer.
    """
    for group in recipe.groups:
        if group.is_tuned and group.name not in recipe.tuned:
            _refuse_without_blocks(group)
    groups = [group for group in recipe.groups if group.is_encoder]
    named = _named(groups, sources)
    return [_load(group, named.get(group.name), device, batch_seconds) for group in groups]


def blocks_above(encoders: Sequence[LoadedEncoder], feature: str) -> UpperBlocks:
    """Return the untouched blocks above a layer of one of the encoders, in float32.

    Args:
        encoders: Of a model.
        feature: Name of the layer, such as `wavlm-base/layer-10`.

    Raises:
        SettingsError: The encoder has no blocks above it.
    """
    group, _, layer = feature.rpartition("/")
    loaded = next(one for one in encoders if one.recipe.name == group)
    encoder: Any = loaded.extractor.encoder
    if not isinstance(encoder, HasUpperBlocks):
        raise SettingsError(
            feature,
            expected="an encoder whose upper blocks can be trained",
            got=f"{encoder.name}, which has no `upper_blocks`",
            remedy="Write that method, see docs/own-encoder.md.",
        )
    return encoder.upper_blocks(loaded.layers[layer]).to(torch.float32)


def _refuse_without_blocks(group: GroupRecipe) -> None:
    below = group.provenance["source_feature"]
    raise SettingsError(
        f"model, {group.name}",
        expected="a folder that keeps its tuned blocks, for recordings and transcripts",
        got=f"none of those on {below}: the model was made without them",
        remedy="Fit the model again with --run FOLDER of `tokser tune`. Or extract these "
        f"recordings into a store up to {below}, add the tuned layers with `tokser apply --name "
        f"{group.name}`, pool, and predict that store.",
    )


def _named(groups: Sequence[GroupRecipe], sources: Sequence[str]) -> dict[str, str]:
    """Return which source is which encoder: by name, or because one of each is left."""
    found: dict[str, str] = {}
    unknown = []
    for source in sources:
        name = Path(source.rstrip("/")).name
        if name in {group.name for group in groups}:
            found[name] = source
        else:
            unknown.append(source)
    left = [group.name for group in groups if group.name not in found]
    if len(unknown) == 1 and len(left) == 1:
        return found | {left[0]: unknown[0]}
    if unknown:
        raise SettingsError(
            f"--encoder {unknown[0]}",
            expected=f"a folder named like one of the model's encoders, {_listed(groups)}",
            got=Path(unknown[0]).name,
            remedy="Give the folder the name that the encoder had at training.",
        )
    return found


def _listed(groups: Sequence[GroupRecipe]) -> str:
    return ", ".join(group.name for group in groups)


def _load(
    group: GroupRecipe, source: str | None, device: str, batch_seconds: float | None
) -> LoadedEncoder:
    made_by = group.provenance
    if made_by.get("model_type") == IMPORTED:
        raise SettingsError(
            f"encoder {group.name}",
            expected="an encoder, which computes features of recordings",
            got=f"features that were imported from {made_by.get('file')}",
            remedy="Import those of the new recordings into a store of them with `tokser store "
            f"import --name {group.name}`, and predict that store.",
        )
    if not source and not group.source:
        raise MissingInputError(
            f"encoder {group.name}",
            expected="the model that the aligner's features were made with",
            got="no address: the store had dropped them",
            remedy="Name its folder or hub id with --encoder.",
        )
    spec = EncoderSpec(
        source or group.source,
        None if source else made_by.get("revision") or None,
        device,
        precision_of(made_by),
        made_by.get("context", "pad"),
        batch_seconds,
    )
    try:
        encoder = spec.load()
    except MissingInputError as error:
        if source:
            raise
        raise MissingInputError(
            f"encoder {group.name}",
            expected=f"the model that the features were made with, {group.source}",
            got=f"none there ({error.got})",
            remedy="Name its folder or hub id with --encoder.",
        ) from error
    _require_same(group, spec.source, encoder.kind, full_provenance(encoder))
    numbers = {layer_name(encoder, i): i for i in range(last_layer(encoder) + 1)}
    wanted = [name for name in group.features if name not in (WORD, TOKEN_IDS)]
    lacking = [name for name in wanted if name not in numbers]
    if lacking:
        raise CheckpointError(
            spec.source,
            expected=f"an encoder with {', '.join(lacking)}, which the model reads",
            got=f"one with {', '.join(numbers)}",
            remedy="Name the encoder that the model was trained with, with --encoder.",
        )
    layers = {name: numbers[name] for name in wanted}
    own: StoredDtype | None = getattr(encoder, "stored_dtype", None)
    specs = FeatureSpecs(layers, own or _dtype(group))
    return LoadedEncoder(group, Extractor(encoder, specs, spec.batch_seconds_here()), layers)


def _dtype(group: GroupRecipe) -> StoredDtype:
    """Return the type that rows were stored in, which functionals were taken of."""
    dtypes = {use.dtype for use in group.features.values() if use.dtype}
    if not dtypes:
        say(f"{group.name}: only functionals were stored; rows are rounded to float16, the default")
        return "float16"
    return cast(StoredDtype, min(dtypes, key=("float32", "float16").index))


def _require_same(group: GroupRecipe, source: str, kind: str, here: Mapping[str, Any]) -> None:
    trained = {**group.provenance, "kind": group.kind}
    now = {**here, "kind": kind}
    keys = sorted((trained.keys() | now.keys()) - _OF_THE_CORPUS)
    unlike = [
        key
        for key in keys
        if trained.get(key) != now.get(key)
        and not (key in _OF_LONG and (key not in trained or key not in now))
    ]
    if unlike:
        raise CheckpointError(
            f"encoder {group.name}, {source}",
            expected="; ".join(f"{key} {trained.get(key)}" for key in unlike) + " as at training",
            got="; ".join(f"{key} {now.get(key)}" for key in unlike),
            remedy="Name the encoder that the model was trained with, with --encoder.",
        )
