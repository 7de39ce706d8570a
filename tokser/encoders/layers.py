"""The layers of an encoder: their names, widths, and which an option names.

Most encoders number their layers: 0 is the embedding output, 1..L the blocks. One whose outputs
are something else names them in `layer_names`; further attributes that an encoder may have, and
that are read here alone, are

- `dims`: width of each layer by its number, where they differ;
- `utterance_level`: numbers of the layers that have one row for each utterance, not one a frame;
- `default_layers`: what `--layers last` stands for, where there is no last hidden state;
- `stored_dtype`: the type that rows are stored in, whatever `--dtype` says;
- `max_samples`: the longest waveform that it takes, in samples.
"""

from collections.abc import Sequence
from typing import Any

from tokser.encoders.base import CONTEXTUAL, LAST, Encoder, SpeechEncoder, StoredDtype, TextEncoder
from tokser.errors import SettingsError, shortened
from tokser.provenance import UTTERANCE_LEVEL

__all__ = [
    "dim_of",
    "full_provenance",
    "is_utterance_level",
    "last_layer",
    "layer_name",
    "max_samples_of",
    "parse_layers",
    "stored_dtype_of",
]


def last_layer(encoder: Encoder) -> int:
    """Return the number of the layer that is the model's last hidden state: L, or L + 1."""
    return encoder.num_layers + encoder.separate_last


def layer_name(encoder: SpeechEncoder | TextEncoder, layer: int) -> str:
    """Return the name that a layer's feature carries: `layer-6`, `last`, or `contextual` for B."""
    names = _own_names(encoder)
    if names:
        return names[layer]
    if encoder.kind == "text" and layer == last_layer(encoder):
        return CONTEXTUAL
    return f"layer-{layer}" if layer <= encoder.num_layers else LAST


def dim_of(encoder: Encoder, layer: int) -> int:
    """Return the width of a layer."""
    dims: dict[int, int] = getattr(encoder, "dims", {})
    return dims.get(layer, encoder.dim)


def is_utterance_level(encoder: Encoder, layer: int) -> bool:
    """Tell whether a layer has one row for each utterance."""
    return layer in getattr(encoder, "utterance_level", ())


def stored_dtype_of(encoder: Encoder, asked_for: StoredDtype) -> StoredDtype:
    """Return the type that an encoder's rows are stored in."""
    own: StoredDtype | None = getattr(encoder, "stored_dtype", None)
    return own or asked_for


def max_samples_of(encoder: Encoder) -> int | None:
    """Return the longest waveform that an encoder takes, in samples; None: there is no limit."""
    found: int | None = getattr(encoder, "max_samples", None)
    return found


def full_provenance(encoder: SpeechEncoder | TextEncoder) -> dict[str, Any]:
    """Return an encoder's provenance, with which of its features are of whole utterances."""
    layers = sorted(getattr(encoder, "utterance_level", ()))
    if not layers:
        return encoder.provenance()
    names = [layer_name(encoder, layer) for layer in layers]
    return encoder.provenance() | {UTTERANCE_LEVEL: names}


def parse_layers(encoder: SpeechEncoder | TextEncoder, wanted: str) -> list[int]:
    """Return the numbers of the layers that an option names.

    Args:
        encoder: The encoder, which determines the layers there are.
        wanted: `last` (the model's last hidden state), `all`, or a list such as `0,3,6` or
            `6,last`; names, where the encoder names its layers.

    Raises:
        SettingsError: It is none of these, or the encoder has no such layer.
    """
    if wanted == "all":
        return list(range(last_layer(encoder) + 1))
    parts = [part.strip() for part in wanted.split(",")]
    try:
        return sorted({layer for part in parts for layer in _numbers(encoder, part)})
    except ValueError:
        names = _own_names(encoder)
        some = f"numbers from 0 to {encoder.num_layers} such as 0,3"
        raise SettingsError(
            f"--layers, {encoder.name}",
            expected=f"last, all, or {' or '.join(names) if names else some}",
            got=shortened(wanted),
            remedy="Name layers that this encoder has.",
        ) from None


def _own_names(encoder: Encoder) -> Sequence[str]:
    names: Sequence[str] = getattr(encoder, "layer_names", ())
    return names


def _numbers(encoder: Encoder, part: str) -> list[int]:
    """Read the number or name of a layer; `ValueError` if the encoder has none of it."""
    if part == LAST:
        return list(getattr(encoder, "default_layers", [last_layer(encoder)]))
    names = _own_names(encoder)
    if names:
        named = part if part in names else f"layer-{part}"
        return [list(names).index(named)]
    number = int(part)
    if not 0 <= number <= encoder.num_layers:
        raise ValueError(part)
    return [number]
