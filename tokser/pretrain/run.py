"""A pretraining run: from a store to a folder with the weights of the best epoch.

The run's folder belongs to one stamp (settings and inputs): it is claimed under a lock, its files
carry digests, and `provenance.json` is written last. So the same call after a stop resumes the last
saved state, the same call after the end returns at once, and a call with other settings is refused
before anything is written. Of several processes only the first writes; the others train.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import load_file

from tokser.checksummed_folder import ChecksummedFolder
from tokser.config import PretrainSettings
from tokser.device import resolve_device
from tokser.names import Name
from tokser.pretrain.batches import Pairs
from tokser.pretrain.checkpoint import AlignerDescription, save_aligner
from tokser.pretrain.data import Batches
from tokser.pretrain.features import pairs_of, resolve_features, roles_of, stamp_of
from tokser.pretrain.free_teacher import FreeTeacher
from tokser.pretrain.history import History, say_best
from tokser.pretrain.kept_functionals import KeptFunctionals
from tokser.pretrain.module import AlignerModule
from tokser.pretrain.preload import preloaded
from tokser.pretrain.rates import DevUnits, dev_units
from tokser.pretrain.split import mismatched_speech, split_train_dev
from tokser.pretrain.trackers import loggers_of
from tokser.pretrain.training import launched_rank, require_launcher, train
from tokser.pretrain.tuned_blocks import BlocksAbove, no_blocks, tuned_blocks
from tokser.pretrain.variants import build_aligner
from tokser.progress import say
from tokser.redaction import redacted_values
from tokser.store import Store

__all__ = ["run_pretraining"]

_NOT_OF_ALIGNER = ("below", "kept")
"""Roles of features that only training needs."""


def run_pretraining(
    store: Store, settings: PretrainSettings, blocks_above: BlocksAbove = no_blocks
) -> Path:
    """Train an aligner on a store's features, see `stages.pretrain`.

    Args:
        store: The store.
        settings: Of `tokser pretrain`.
        blocks_above: Loads the blocks above a stored layer, which are trained with the aligner.
    """
    name = Name.of(settings.out.resolve().name, f"--out {settings.out}, the name of the run")
    settings = resolve_features(store, settings)
    roles = roles_of(store, settings)
    stamp = stamp_of(store, settings, roles)
    if stamp.marks(settings.out):
        say(f"pretrain: already in {settings.out}")
        return settings.out
    if launched_rank() == 0:  # the first process creates the folder; others may see it half made
        stamp.require_own(settings.out)
    pairs = pairs_of(store, roles, special_tokens=settings.special_tokens)
    require_launcher(settings)
    device = resolve_device(settings.device)
    data = _batches(settings, store, pairs, device)
    units = dev_units(data.dev, store.utterances["speaker"])
    kept = store.functionals(roles["kept"]) if "kept" in roles else None
    module = _untrained(settings, pairs, data, units, kept)
    _add_tuned_blocks(module, settings, roles, blocks_above)
    history = History(settings.out, settings.epochs, settings.save_steps)
    is_trained = settings.resume and history.is_finished()
    if launched_rank() and settings.devices * settings.nodes > 1:
        if not is_trained:
            train(module, data, history, settings, device=device)
        return settings.out
    with stamp.claim(settings.out):
        if not settings.resume:
            history.begin_anew()
        _write_settings(settings)
        history.repair()
        if not is_trained:
            loggers = loggers_of(settings)
            train(module, data, history, settings, device=device, loggers=loggers)
        best = history.best_row()
        description = _describe(name, settings, store, roles, pairs, best)
        save_aligner(settings.out, load_file(history.best), description)
        history.drop_damaged_states()
        stamp.write(settings.out)
        say_best(best)
    return settings.out


def _write_settings(settings: PretrainSettings) -> None:
    text = json.dumps(redacted_values(settings.model_dump(mode="json")), indent=2)
    ChecksummedFolder(settings.out).put({"settings.json": text.encode()})


def _describe(
    name: str,
    settings: PretrainSettings,
    store: Store,
    roles: dict[str, str],
    pairs: Pairs,
    best: Mapping[str, Any],
) -> AlignerDescription:
    return AlignerDescription(
        name=name,
        variant=settings.variant,
        options=settings.options,
        tune_speech=settings.tune_speech,
        text_dim=pairs.teacher.dim,
        speech_dim=pairs.speech[0].dim,
        special_tokens=settings.special_tokens,
        features={role: name for role, name in roles.items() if role not in _NOT_OF_ALIGNER},
        provenance={role: store[names.split(",")[0]].provenance for role, names in roles.items()},
        best_epoch=int(best["epoch"]),
        scores={
            key: float(value) for key, value in best.items() if value == value and key != "epoch"
        },
    )


def _batches(
    settings: PretrainSettings, store: Store, pairs: Pairs, device: torch.device
) -> Batches:
    train_ids, dev = split_train_dev(
        store.utterances, pairs.ids(), dev_fraction=settings.dev_fraction, seed=settings.seed
    )
    mismatched = mismatched_speech(dev, store.utterances["transcript"], seed=settings.seed)
    shards = store[pairs.speech[0].name].layout.shard_of
    shard_of = {name: int(shards[store.position(name)]) for name in train_ids}
    if settings.preload != "none":
        where = torch.device("cpu") if settings.preload == "ram" else device
        pairs = preloaded(pairs, [*train_ids, *dev], where)
    pins = device.type == "cuda" and settings.preload != "device"
    return Batches(pairs, train_ids, mismatched, settings, shard_of, pins=pins)


def _add_tuned_blocks(
    module: AlignerModule,
    settings: PretrainSettings,
    roles: dict[str, str],
    blocks_above: BlocksAbove,
) -> None:
    """Give the module the blocks of encoders that are trained with it, if any are."""
    aligner = module.aligner
    if settings.tune_speech:
        options = "--tune-speech", settings.tune_speech, roles["speech"]
        aligner.speech_blocks = tuned_blocks(*options, blocks_above)
    if settings.tune_text:
        blocks = tuned_blocks("--tune-text", settings.tune_text, roles["below"], blocks_above)
        aligner.teacher = FreeTeacher(blocks, special_tokens=settings.special_tokens)


def _untrained(
    settings: PretrainSettings,
    pairs: Pairs,
    data: Batches,
    units: DevUnits,
    functionals: "pd.DataFrame | None",
) -> AlignerModule:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        aligner = build_aligner(
            settings.variant,
            pairs.teacher.dim,
            pairs.speech[0].dim,
            len(pairs.speech),
            settings.options,
        )
        kept = None
        if functionals is not None:
            kept = KeptFunctionals(functionals, data.train_ids, pairs.teacher.dim)
        check = pairs.require_finite
        return AlignerModule(aligner, settings, check, data.num_batches, units, kept)
