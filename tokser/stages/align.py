"""Stage 3: apply a trained aligner to any store that has the features it was trained on."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from tokser.config import AlignSettings
from tokser.device import resolve_device
from tokser.errors import StoreMismatchError
from tokser.pretrain.aligner import Aligner
from tokser.pretrain.batches import Pairs
from tokser.pretrain.checkpoint import WEIGHTS, AlignerDescription, load_aligner
from tokser.pretrain.order import in_order
from tokser.progress import progress_bar, say
from tokser.provenance import sha256_of_file
from tokser.store import (
    FeatureSpec,
    GroupPlan,
    Layer,
    Store,
    StoreWriter,
    open_store,
)

__all__ = ["align", "pairs_of"]

ALIGNED = "aligned"
_UNLIKE = ("model", "weights_sha256", "context", "tokenizer_digest", "precision")
"""Provenance that must be the same at training and here."""


def align(settings: AlignSettings) -> str:
    """Write the feature `<run>/aligned` into a store, in shards, with resume.

    Returns:
        The feature's name.

    Raises:
        MissingInputError: The checkpoint is no finished run.
        SettingsError: The store lacks a feature that the aligner was trained on.
        StoreMismatchError: A feature was made by another model than at training.
        StoreIncompleteError: A feature is not whole.
    """
    aligner, description = load_aligner(settings.checkpoint)
    store = open_store(settings.store, check=settings.check)
    device = resolve_device(settings.device)
    pairs, layers = pairs_of(store, description)
    usable = set(pairs.ids())
    reasons = _why_not(store, layers, usable)
    weights_sha256 = sha256_of_file(settings.checkpoint / WEIGHTS)
    plan = _plan(store, pairs, usable, description, weights_sha256)
    name = f"{plan.name}/{ALIGNED}"
    with StoreWriter.reopen(store) as writer:
        group = writer.plan_group(plan)
        num_pending = len(group.pending())
        if not num_pending:
            say(f"{name}: already in {settings.store}")
        aligner.to(device)
        with progress_bar(f"align {plan.name}", total=num_pending, unit="shards") as bar:
            for shard, features in group.claims():
                if not features:
                    bar.advance()
                    continue
                ids = [store.ids[i] for i in group.layout.utterances(shard).tolist()]
                aligned = _align(aligner, pairs, [i for i in ids if i in usable], settings)
                why = {name: reasons[name] for name in ids if name in reasons}
                group.commit(shard, {ALIGNED: [aligned.get(name) for name in ids]}, why)
                bar.advance()
    return name


def pairs_of(store: Store, description: AlignerDescription) -> tuple[Pairs, list[Layer]]:
    """Find the features that an aligner was trained on in a store.

    Returns:
        What batches are read from, and its layers.

    Raises:
        SettingsError: The store lacks one.
        StoreMismatchError: One was made by another model than at training, or is of another width.
        StoreIncompleteError: One is not whole.
    """
    for role, names in description.features.items():
        for feature in names.split(","):
            _check_provenance(store, feature, description.provenance[role])
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


def _check_provenance(store: Store, feature: str, trained_on: dict[str, object]) -> None:
    here = store[feature].provenance
    unlike = [key for key in _UNLIKE if here.get(key) != trained_on.get(key)]
    if unlike:
        raise StoreMismatchError(
            f"{store.path}, {feature}",
            expected="; ".join(f"{key} {trained_on.get(key)} as at training" for key in unlike),
            got="; ".join(f"{key} {here.get(key)}" for key in unlike),
            remedy="Extract this corpus with the model that the aligner was trained on.",
        )


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
        },
    )


def _why_not(store: Store, layers: Sequence[Layer], usable: set[str]) -> dict[str, str]:
    """Say of each utterance that cannot be aligned which feature set it aside, and why."""
    reasons = {}
    for name in store.utterances.index:
        if name not in usable:
            found = [
                f"{of.name}: {of.quarantined[name]}" for of in layers if name in of.quarantined
            ]
            reasons[str(name)] = found[0] if found else "no token besides [CLS] and [SEP]"
    return reasons


def _align(
    aligner: Aligner, pairs: Pairs, ids: Sequence[str], settings: AlignSettings
) -> dict[str, NDArray[np.float32]]:
    """Return the student tokens of each utterance, [tokens, dim]."""
    aligned: dict[str, NDArray[np.float32]] = {}
    device = next(aligner.parameters()).device
    for names in in_order(ids, settings.batch_size):
        batch = pairs.gather(names).to(device)
        with torch.inference_mode():
            student = aligner(batch.inputs).cpu()
        if not bool(student.isfinite().all()):
            pairs.require_finite(batch)
        parts = student.split(batch.num_tokens.tolist())
        aligned |= {name: part.numpy() for name, part in zip(names, parts, strict=True)}
    return aligned
