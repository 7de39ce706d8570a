"""The blocks above a stored layer, from the very weights that made the store."""

import torch

from tokser.encoders.base import precision_of
from tokser.encoders.upper_blocks import HasUpperBlocks, UpperBlocks
from tokser.errors import SettingsError, StoreMismatchError
from tokser.extraction.encoder_spec import EncoderSpec
from tokser.store import FeatureName, Store

__all__ = ["stored_blocks"]

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
        StoreMismatchError: The encoder has other weights than those that made the store, or the
            stored rows are not what the blocks would start from.
    """
    name = FeatureName.parse(feature)
    group = store.group(name.group)
    if group.kind not in ("speech", "text") or not name.feature.removeprefix(_LAYER).isdigit():
        raise SettingsError(
            f"{store.path}, {feature}",
            expected="a layer of an encoder, such as whisper-base/layer-4",
            got=f"a feature of kind {group.kind}",
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
    loaded = spec.load()
    here = loaded.provenance()
    unlike = [key for key in _SAME_AS_IN_THE_STORE if here.get(key) != made_by.get(key)]
    if unlike:
        raise StoreMismatchError(
            f"{store.path}, {feature}",
            expected="; ".join(f"{key} {made_by.get(key)} as in the store" for key in unlike),
            got="; ".join(f"{key} {here.get(key)} of {source}" for key in unlike),
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


def _refuse_overlapping(store: Store, feature: str, made_by: dict[str, object]) -> None:
    if "window_overlap_s" in made_by:
        raise StoreMismatchError(
            f"{store.path}, {feature}",
            expected="recordings that were encoded at once",
            got="a corpus with recordings above a minute, encoded in windows that overlap, whose "
            "margins are not stored",
            remedy="Cut such recordings into segments of at most a minute, and extract again.",
        )
