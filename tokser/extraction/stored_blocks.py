"""The blocks above a stored layer, from the very weights that made the store."""

import torch

from tokser.encoders.base import CONTEXTUAL, LAST, precision_of
from tokser.encoders.upper_blocks import HasUpperBlocks, UpperBlocks
from tokser.errors import (
    MissingInputError,
    SettingsError,
    StoreIncompleteError,
    StoreMismatchError,
    list_some,
)
from tokser.extraction.encoder_spec import EncoderSpec
from tokser.store import FeatureName, Store
from tokser.store.same_provenance import require_same_provenance
from tokser.store.schema import TUNED_ON

__all__ = ["layer_names", "stored_blocks"]

_LAYER = "layer-"
_SAME_AS_IN_THE_STORE = ("weights_sha256", "context", "precision", "normalise_waveform")


def stored_blocks(store: Store, feature: str, *, encoder: str | None = None) -> UpperBlocks:
    """Load the blocks above a stored layer, to be trained, on the CPU.

    Args:
        store: The store.
        feature: Name of the layer, such as `wavlm-base/layer-10`.
        encoder: Folder or hub id of the encoder; None: the one at extraction.

    Raises:
        SettingsError: The feature is no layer of an encoder, or has no blocks above it.
        StoreIncompleteError: Of the layer only functionals were stored.
        MissingInputError: The encoder is no longer where it was at extraction.
        StoreMismatchError: The encoder has other weights than those that made the store, or the
            stored rows are not what the blocks would start from.
    """
    if feature in store.without_rows:
        raise StoreIncompleteError(
            f"{store.path}, {feature}",
            expected="its frames or tokens, which the blocks above it start from",
            got="their functionals alone",
            remedy="Extract it without --functionals-only, into another store.",
        )
    name = FeatureName.parse(store[feature].name)
    group = store.group(name.group)
    _refuse_last(store, name)
    if (
        group.kind not in ("speech", "text")
        or not name.feature.removeprefix(_LAYER).isdigit()
        or (TUNED_ON in group.provenance)
    ):
        raise SettingsError(
            f"{store.path}, {feature}",
            expected="a layer of an encoder, such as whisper-base/layer-4",
            got="a layer of tuned blocks" if TUNED_ON in group.provenance else str(feature),
            remedy="Name a layer that `tokser extract --layers` wrote.",
        )
    made_by = group.provenance
    _refuse_overlapping(store, feature, made_by)
    source = encoder or group.source
    spec = EncoderSpec(
        source,
        made_by.get("revision") or None,
        "cpu",
        precision_of(made_by),
        made_by.get("context", "pad"),
    )
    try:
        loaded = spec.load()
    except MissingInputError as error:
        raise MissingInputError(
            f"{store.path}, {feature}",
            expected=f"the encoder that made it at {source or 'a place that the store names'}",
            got=error.got,
            remedy="Name its folder with --encoder FOLDER; its weights are compared.",
        ) from error
    require_same_provenance(
        f"{store.path}, {feature}",
        _SAME_AS_IN_THE_STORE,
        wanted=made_by,
        found=loaded.provenance(),
        wanted_from="as in the store",
        found_from=f"of {source}",
        remedy="Name the encoder that made the store, or extract with this one.",
    )
    if not isinstance(loaded, HasUpperBlocks):
        raise SettingsError(
            f"{store.path}, {feature}",
            expected="an encoder whose upper blocks can be trained",
            got=f"{loaded.name}, which has no `upper_blocks`",
            remedy="Write that method, see docs/own-encoder.md.",
        )
    return loaded.upper_blocks(int(name.feature.removeprefix(_LAYER))).to(torch.float32)


def layer_names(blocks: UpperBlocks, kind: str) -> dict[int, str]:
    """Return the name within its group of each layer that blocks compute.

    Args:
        blocks: The blocks.
        kind: Of the group, `speech` or `text`.
    """
    names = {number: f"{_LAYER}{number}" for number in blocks.layers}
    last = blocks.layers[-1]
    if kind == "text":
        names[last] = CONTEXTUAL
    elif blocks.norm_is_apart:
        names[last] = LAST
    return names


def _refuse_last(store: Store, name: FeatureName) -> None:
    """Refuse an encoder's last layer, which no block reads."""
    if name.feature not in (CONTEXTUAL, LAST):
        return
    layers = [f"{name.group}/{one}" for one in store.group(name.group).features]
    below = [one for one in layers if one.rpartition("/")[2].startswith(_LAYER)]
    raise SettingsError(
        f"{store.path}, {name}",
        expected=f"a layer with blocks above it: {list_some(below) or 'none is stored'}",
        got="the encoder's last layer",
        remedy="Name such a layer, or extract one with `tokser extract --layers`.",
    )


def _refuse_overlapping(store: Store, feature: str, made_by: dict[str, object]) -> None:
    if "window_overlap_s" in made_by:
        raise StoreMismatchError(
            f"{store.path}, {feature}",
            expected="recordings that were encoded at once",
            got="a corpus with recordings above a minute, encoded in windows that overlap, whose "
            "margins are not stored",
            remedy="Cut such recordings into segments of at most a minute, and extract again.",
        )
