"""The attention weights of an utterance, as a picture."""

from functools import partial
from pathlib import Path
from typing import Any

import torch

from tokser.errors import SettingsError, TokserError
from tokser.extraction.stored_blocks import stored_blocks
from tokser.pretrain.align import attention_of
from tokser.pretrain.checkpoint import load_aligner
from tokser.progress import say
from tokser.store import FeatureName, Store, open_store

__all__ = ["FORMATS", "attention"]

FORMATS = (".png", ".svg", ".pdf")


def attention(
    store_path: str,
    checkpoint: Path,
    utterance: str,
    out: Path,
    *,
    tokenizer: str | None = None,
    check: bool = True,
) -> Path:
    """Draw the attention map of an utterance, tokens down, seconds across.

    Args:
        store_path: The store.
        checkpoint: Folder of a pretraining run.
        utterance: Id of an utterance.
        out: Picture to write: .png, .svg or .pdf.
        tokenizer: Model whose tokenizer writes the tokens out; by default the one that the store's
            text was extracted with. Where there is none, tokens are shown by number.
        check: Verify the checksums of what is read from the store.

    Returns:
        `out`.

    Raises:
        SettingsError: `out` is no picture, or the store lacks the utterance or a feature.
        InputError: The utterance has no speech or no text.
        StoreMismatchError: A feature was made by another model than at training.
    """
    _require_picture(out)
    store = open_store(store_path, check=check)
    aligner, description = load_aligner(checkpoint, partial(stored_blocks, store))
    weights = attention_of(store, aligner, description, utterance)

    from tokser.report.attention import draw_attention

    row = store.utterances.loc[utterance]
    tokens = _tokens(store, description.features["teacher"], utterance, tokenizer)
    draw_attention(
        weights,
        tokens=tokens if description.special_tokens else tokens[1:-1],
        duration_s=float(row["num_samples"]) / float(row["sampling_rate_hz"]),
        title=f"{utterance}, {description.name} ({description.variant})",
        out=out,
    )
    return out


def _require_picture(out: Path) -> None:
    if out.suffix.lower() not in FORMATS:
        raise SettingsError(
            f"--out {out}",
            expected=f"a name that ends in {', '.join(FORMATS)}",
            got=out.suffix or "no ending",
            remedy="Name a picture.",
        )


def _tokens(store: Store, teacher: str, utterance: str, tokenizer: str | None) -> list[str]:
    """Write the tokens of an utterance out; their numbers, where there is no tokenizer."""
    group = FeatureName.parse(teacher).group
    ids: Any = store[str(FeatureName(group, "token_ids"))][utterance]
    source = tokenizer or store.group(group).source
    try:
        from tokser.encoders import load_encoder

        encoder = load_encoder(source, revision=None, device=torch.device("cpu"))
        if encoder.kind != "text":
            raise SettingsError(
                f"--tokenizer {source}",
                expected="a text model",
                got=f"one of {encoder.kind}",
                remedy="Name the model that the text was extracted with.",
            )
        return encoder.token_texts(ids)
    except TokserError as error:
        if tokenizer is not None:
            raise
        say(f"tokens are shown by number: {error}")
        return [str(number) for number in ids]
