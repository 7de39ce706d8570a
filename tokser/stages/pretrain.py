"""Stage 2: train the aligner on cached activations."""

from pathlib import Path

import torch
from safetensors.torch import load_file

from tokser.config import PretrainSettings
from tokser.device import resolve_device
from tokser.errors import SettingsError, list_some
from tokser.pretrain.attention import ALIGNERS
from tokser.pretrain.batches import Pairs
from tokser.pretrain.checkpoint import AlignerDescription, save_aligner
from tokser.pretrain.history import History
from tokser.pretrain.module import AlignerModule
from tokser.pretrain.parts import split_train_dev, wrong_speech
from tokser.pretrain.training import Batches, train
from tokser.progress import say
from tokser.provenance import Stamp, write_atomically
from tokser.store import Store, open_store
from tokser.store.schema import RESERVED

__all__ = ["pretrain"]

VARIANT = "report"


def pretrain(settings: PretrainSettings) -> Path:
    """Train the aligner, keep the best epoch by the match rate over the dev part.

    A run that was stopped goes on after its last whole epoch.

    Returns:
        The run's folder: `aligner.safetensors`, `aligner.json`, `metrics.csv` with a row per
        epoch (0: before training), and `provenance.json` last.

    Raises:
        SettingsError: Features cannot be told, or `out` holds another run or cannot name one.
        StoreNotSealedError: A feature is not whole.
        InputError: There is nothing to train on, or no dev part; nothing was written.
        RunError: The loss is not finite.
        KeyboardInterrupt: Stopped, by Ctrl-C or SIGTERM.
    """
    name_of_run = _name_of_run(settings.out)
    store = open_store(settings.store)
    settings = _name_features(store, settings)
    names = {
        "speech": str(settings.speech),
        "teacher": str(settings.text),
        "queries": f"{str(settings.text).rpartition('/')[0]}/word",
    }
    stamp = Stamp(
        "pretrain",
        settings.model_dump(mode="json"),
        {role: store.identity(name) for role, name in names.items()},
    )
    if stamp.marks(settings.out):
        say(f"pretrain: already in {settings.out}")
        return settings.out
    for name in names.values():
        store[name].require_sealed()
    pairs = Pairs(
        store[names["speech"]],
        store[names["queries"]],
        store[names["teacher"]],
        settings.special_tokens,
    )
    data, device = _split(settings, store, pairs), resolve_device(settings.device)
    with stamp.claim(settings.out):
        text = settings.model_dump_json(indent=2)
        write_atomically(settings.out / "settings.json", text.encode())
        history = History(settings.out, settings.epochs)
        train(_untrained(settings, pairs), data, history, epochs=settings.epochs, device=device)
        best = history.best_row()
        description = AlignerDescription(
            name=name_of_run,
            variant=VARIANT,
            text_dim=pairs.teacher.dim,
            speech_dim=pairs.speech.dim,
            special_tokens=settings.special_tokens,
            features=names,
            provenance={role: store[name].provenance for role, name in names.items()},
            best_epoch=int(best["epoch"]),
            scores={key: float(value) for key, value in best.items() if key != "epoch"},
        )
        save_aligner(settings.out, load_file(history.best), description)
        stamp.write(settings.out)
    return settings.out


def _name_of_run(out: Path) -> str:
    name = out.resolve().name
    if not name or name in RESERVED:
        raise SettingsError(
            f"--out {out}",
            expected="a folder whose name can name a run",
            got=repr(name),
            remedy="Name another folder, for instance runs/base.",
        )
    return name


def _name_features(store: Store, settings: PretrainSettings) -> PretrainSettings:
    """Fill in the features that were not named, where there is one choice."""
    speech = [name for name in store.features if store[name].kind == "speech"]
    text = [
        name for name in store.features if store[name].kind == "text" and not name.endswith("/word")
    ]
    contextual = [name for name in text if name.endswith("/contextual")]
    chosen = {
        "speech": _choose(store, "--speech", settings.speech, speech, speech),
        "text": _choose(store, "--text", settings.text, text, contextual),
    }
    return settings.model_copy(update=chosen)


def _choose(
    store: Store, option: str, wanted: str | None, known: list[str], likely: list[str]
) -> str:
    if wanted is None and len(likely) == 1:
        return likely[0]
    if wanted in known:
        return str(wanted)
    raise SettingsError(
        f"{option}, {store.path}",
        expected=f"one of {list_some(known, most=20) or 'no feature: there is none of the kind'}",
        got=repr(wanted) if wanted else f"no choice among {len(likely)}",
        remedy="Name the feature, or extract it with `tokser extract`.",
    )


def _split(settings: PretrainSettings, store: Store, pairs: Pairs) -> Batches:
    parts = split_train_dev(
        store.utterances, pairs.ids(), dev_fraction=settings.dev_fraction, seed=settings.seed
    )
    wrong = wrong_speech(parts[1], store.utterances["transcript"], seed=settings.seed)
    return Batches(pairs, parts[0], wrong, batch_size=settings.batch_size, seed=settings.seed)


def _untrained(settings: PretrainSettings, pairs: Pairs) -> AlignerModule:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        aligner = ALIGNERS[VARIANT](pairs.teacher.dim, pairs.speech.dim)
    return AlignerModule(aligner, settings.temperature, settings.learning_rate)
