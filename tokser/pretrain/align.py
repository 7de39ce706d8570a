"""A trained aligner applied to a store: the feature `<run>/aligned`, shard by shard."""

from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np
import torch
from numpy.typing import NDArray

from tokser.errors import InputError, StoreMismatchError
from tokser.pretrain.aligner import Aligner
from tokser.pretrain.batches import Pairs
from tokser.pretrain.checkpoint import AlignerDescription
from tokser.pretrain.chunks import align_in_chunks
from tokser.pretrain.order import in_order
from tokser.store import FeatureSpec, GroupPlan, Layer, Store
from tokser.store.same_provenance import require_same_provenance
from tokser.store.write_computed import write_computed
from tokser.thread_team import thread_team

__all__ = ["align_store", "align_utterances", "attention_of", "matching_pairs"]

ALIGNED = "aligned"
_SAME_AS_AT_TRAINING = ("model", "weights_sha256", "context", "tokenizer_digest", "precision")
"""Provenance of features that must be the same at training and here."""


def align_store(
    store: Store,
    aligner: Aligner,
    description: AlignerDescription,
    *,
    weights_sha256: str,
    batch_size: int,
) -> str:
    """Write the aligned feature of every utterance that has speech and text.

    Args:
        store: The store.
        aligner: The aligner, on its device.
        description: What it was trained on.
        weights_sha256: Digest of its weights.
        batch_size: Utterances in a batch.

    Returns:
        The feature's name.
    """
    pairs, layers = matching_pairs(store, description)
    usable = set(pairs.ids())
    reasons = _quarantine(store, layers, usable)
    with nullcontext() if description.tune_speech else thread_team(_device_of(aligner)):
        (name,) = write_computed(
            store,
            _plan(store, pairs, usable, description, weights_sha256),
            lambda ids, wanted: {ALIGNED: align_utterances(aligner, pairs, ids, batch_size)},
            usable=usable,
            reasons=reasons,
            label=f"align {description.name}",
        )
    return name


def matching_pairs(store: Store, description: AlignerDescription) -> tuple[Pairs, list[Layer]]:
    """Find the features that an aligner was trained on in a store.

    Returns:
        What batches are read from, and its layers.

    Raises:
        SettingsError: The store lacks one.
        StoreMismatchError: One was made by another model than at training, or is of another width.
        StoreIncompleteError: One is incomplete.
    """
    for role, names in description.features.items():
        for feature in names.split(","):
            require_same_provenance(
                f"{store.path}, {feature}",
                _SAME_AS_AT_TRAINING,
                wanted=description.provenance[role],
                found=store[feature].provenance,
                wanted_from="as at training",
                remedy="Extract this corpus with the model that the aligner was trained on.",
            )
    speech = [store[feature] for feature in description.speech]
    queries, teacher = (store[description.features[role]] for role in ("queries", "teacher"))
    for layer in (*speech, queries, teacher):
        wanted = description.speech_dim if layer in speech else description.text_dim
        if layer.dim != wanted:
            raise StoreMismatchError(
                f"{store.path}, {layer.name}",
                expected=f"rows of {wanted} numbers as at training",
                got=str(layer.dim),
                remedy="Extract this corpus with the model that the aligner was trained on.",
            )
        layer.require_complete()
    pairs = Pairs(tuple(speech), queries, teacher, description.special_tokens)
    return pairs, [*speech, teacher, queries]


def attention_of(
    store: Store, aligner: Aligner, description: AlignerDescription, utterance: str
) -> NDArray[np.float32]:
    """Return the attention weights of an utterance, the mean of the heads, [tokens, frames].

    Raises:
        SettingsError: The store lacks the utterance or a feature.
        InputError: The utterance has no speech or no text.
    """
    pairs, _ = matching_pairs(store, description)
    store.position(utterance)  # raises where there is none
    if utterance not in pairs.ids():
        raise InputError(
            f"{store.path}, {utterance}",
            expected="an utterance with speech and a transcript",
            got="one without, or in quarantine",
            remedy="`tokser store info` lists what is in quarantine.",
        )
    batch = pairs.gather([utterance])
    with torch.inference_mode():
        weights: NDArray[np.float32] = aligner.attention_map(batch.inputs)[0].numpy()
    pairs.require_finite(batch)
    return weights


def _plan(
    store: Store,
    pairs: Pairs,
    usable: set[str],
    description: AlignerDescription,
    weights_sha256: str,
) -> GroupPlan:
    index = store.utterances.index
    counts = pairs.num_tokens.reindex(index, fill_value=0)
    lengths = np.where(index.isin(list(usable)), counts, 0).astype(np.int64)
    return GroupPlan(
        name=description.name,
        kind="aligned",
        features={ALIGNED: FeatureSpec(dim=description.text_dim, dtype="float16")},
        lengths=lengths,
        provenance={
            "model": description.name,
            "variant": description.variant,
            "options": description.options,
            "weights_sha256": weights_sha256,
            "features": description.features,
            "special_tokens": description.special_tokens,
            "trained_on": description.provenance,
            **({"tune_speech": description.tune_speech} if description.tune_speech else {}),
        },
    )


def _quarantine(store: Store, layers: Sequence[Layer], usable: set[str]) -> dict[str, str]:
    """Say of each utterance that cannot be aligned which feature has it in quarantine, and why."""
    reasons = {}
    for name in store.ids:
        if name not in usable:
            found = [
                f"{of.name}: {of.quarantined[name]}" for of in layers if name in of.quarantined
            ]
            reasons[name] = found[0] if found else "no token besides [CLS] and [SEP]"
    return reasons


def align_utterances(
    aligner: Aligner, pairs: Pairs, ids: Sequence[str], batch_size: int
) -> dict[str, NDArray[np.float32]]:
    """Return the student tokens of each utterance, [tokens, dim]."""
    aligned: dict[str, NDArray[np.float32]] = {}
    device = _device_of(aligner)
    for names in in_order(ids, batch_size):
        batch = pairs.gather(names).to(device)
        with torch.inference_mode():
            student = align_in_chunks(aligner, batch.inputs).cpu()
        if not bool(student.isfinite().all()):
            pairs.require_finite(batch)
        parts = student.split(batch.num_tokens.tolist())
        aligned |= {name: part.numpy() for name, part in zip(names, parts, strict=True)}
    return aligned


def _device_of(aligner: Aligner) -> torch.device:
    return next(aligner.parameters()).device
