"""Stage 2: train the aligner on cached activations."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file

from tokser.config import PretrainSettings
from tokser.device import resolve_device
from tokser.errors import SettingsError, list_some
from tokser.names import Name
from tokser.pretrain.batches import Pairs
from tokser.pretrain.checkpoint import AlignerDescription, save_aligner
from tokser.pretrain.data import Batches
from tokser.pretrain.history import History, say_best
from tokser.pretrain.module import AlignerModule
from tokser.pretrain.parts import split_train_dev, wrong_speech
from tokser.pretrain.preload import preloaded
from tokser.pretrain.rates import DevUnits, dev_units
from tokser.pretrain.trackers import loggers_of
from tokser.pretrain.training import launched_rank, require_launcher, train
from tokser.pretrain.variants import build_aligner
from tokser.progress import say
from tokser.provenance import Stamp
from tokser.redaction import redacted_values
from tokser.sealed import SealedFolder
from tokser.store import Store, open_store
from tokser.store.rows_digest import rows_digest

__all__ = ["pretrain"]


_QUERIES = {"word": "word", "full": "layer-0"}
"""Feature of the teacher's encoder by choice of queries."""


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
    store = open_store(settings.store, check=settings.check)
    settings = _name_features(store, settings)
    names = {
        "speech": str(settings.speech),
        "teacher": str(settings.text),
        "queries": _queries(store, settings),
    }
    stamp = Stamp(
        "pretrain",
        settings.model_dump(mode="json"),
        {role: _identity(store, name) for role, name in names.items()}
        | {f"rows of {role}": _rows(store, name) for role, name in names.items()},
    )
    if stamp.marks(settings.out):
        say(f"pretrain: already in {settings.out}")
        return settings.out
    if launched_rank() == 0:  # who begins the folder, which others may see half begun
        stamp.require_own(settings.out)
    for name in ",".join(names.values()).split(","):
        store[name].require_sealed()
    pairs = Pairs(
        tuple(store[name] for name in names["speech"].split(",")),
        store[names["queries"]],
        store[names["teacher"]],
        settings.special_tokens,
    )
    require_launcher(settings)
    device = resolve_device(settings.device)
    data = _split(settings, store, pairs, device)
    units = dev_units(data.dev, store.utterances["speaker"])
    module = _untrained(settings, pairs, data.num_batches, units)
    history = History(settings.out, settings.epochs, settings.save_steps)
    finished = settings.resume and history.is_finished()
    if launched_rank() and settings.devices * settings.nodes > 1:  # the first process writes
        if not finished:
            train(module, data, history, settings, device=device)
        return settings.out
    with stamp.claim(settings.out):
        if not settings.resume:
            history.begin_anew()
        text = json.dumps(redacted_values(settings.model_dump(mode="json")), indent=2)
        SealedFolder(settings.out).put({"settings.json": text.encode()})
        history.repair()
        if not finished:
            loggers = loggers_of(settings)
            train(module, data, history, settings, device=device, loggers=loggers)
        best = history.best_row()
        description = AlignerDescription(
            name=name_of_run,
            variant=settings.variant,
            options=settings.options,
            text_dim=pairs.teacher.dim,
            speech_dim=pairs.speech[0].dim,
            special_tokens=settings.special_tokens,
            features=names,
            provenance={role: store[name.split(",")[0]].provenance for role, name in names.items()},
            best_epoch=int(best["epoch"]),
            scores={
                key: float(value)
                for key, value in best.items()
                if value == value and key != "epoch"
            },
        )
        save_aligner(settings.out, load_file(history.best), description)
        history.drop_damaged_states()
        stamp.write(settings.out)
        say_best(best)
    return settings.out


def _name_of_run(out: Path) -> str:
    return Name.of(out.resolve().name, f"--out {out}, the name of the run")


def _name_features(store: Store, settings: PretrainSettings) -> PretrainSettings:
    """Fill in the features that were not named, where there is one choice."""
    nothing = store.uncommitted
    known = [name for name in store.features if name not in nothing]
    speech = [name for name in known if store[name].kind == "speech"]
    text = [name for name in known if store[name].kind == "text" and not name.endswith("/word")]
    contextual = [name for name in text if name.endswith("/contextual")]
    chosen = {
        "speech": _choose_layers(store, settings.speech, speech),
        "text": _choose(store, "--text", settings.text, text, contextual),
    }
    return settings.model_copy(update=chosen)


def _choose_layers(store: Store, wanted: str | None, known: list[str]) -> str:
    """Choose one speech feature, or check several that are to be mixed."""
    chosen = [
        _choose(store, "--speech", name, known, known)
        for name in (wanted.split(",") if wanted else [None])
    ]
    if len({name.rpartition("/")[0] for name in chosen}) > 1 or len(set(chosen)) < len(chosen):
        raise SettingsError(
            f"--speech {wanted}",
            expected="different layers of one encoder, which have the same frames",
            got="layers of several encoders, or one named twice",
            remedy="Mix layers of one encoder.",
        )
    return ",".join(chosen)


def _queries(store: Store, settings: PretrainSettings) -> str:
    """Name the feature that the queries T are."""
    encoder = str(settings.text).rpartition("/")[0]
    name = f"{encoder}/{_QUERIES[settings.queries]}"
    if name not in store:
        raise SettingsError(
            f"--queries {settings.queries}, {store.path}",
            expected=f"the feature {name}",
            got="none of that name",
            remedy=f"Extract it: the same `tokser extract` with --encoder of {encoder} alone and "
            "--layers all, or 0 and the last.",
        )
    return name


def _identity(store: Store, names: str) -> str:
    return ",".join(store.identity(name, without=["label"]) for name in names.split(","))


def _rows(store: Store, names: str) -> str:
    return ",".join(rows_digest(store, name) for name in names.split(","))


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


def _split(settings: PretrainSettings, store: Store, pairs: Pairs, device: torch.device) -> Batches:
    usable = pairs.ids()
    train, dev = split_train_dev(
        store.utterances, usable, dev_fraction=settings.dev_fraction, seed=settings.seed
    )
    wrong = wrong_speech(dev, store.utterances["transcript"], seed=settings.seed)
    shards = store[pairs.speech[0].name].layout.shard_of
    shard_of = {name: int(shards[store.position(name)]) for name in train}
    if settings.preload != "none":
        where = torch.device("cpu") if settings.preload == "ram" else device
        pairs = preloaded(pairs, [*train, *dev], where)
    pins = device.type == "cuda" and settings.preload != "device"
    return Batches(pairs, train, wrong, settings, shard_of, pins=pins)


def _untrained(
    settings: PretrainSettings, pairs: Pairs, num_batches: int, units: DevUnits
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
        return AlignerModule(aligner, settings, pairs.require_finite, num_batches, units)
