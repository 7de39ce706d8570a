"""Damage to any file of results and runs is repaired, alike to the last byte, or named."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tokser.checksummed_folder import INDEX, ChecksummedFolder
from tokser.config import (
    ClassifySettings,
    GridSettings,
    PoolSettings,
    PretrainSettings,
    RegressSettings,
)
from tokser.errors import TokserError
from tokser.experiments.ledger import LEDGER
from tokser.provenance import STAMP_NAME
from tokser.report.inputs import read_inputs
from tokser.stages.classify import classify
from tokser.stages.pool import pool
from tokser.stages.pretrain import pretrain
from tokser.stages.regress import regress
from tokser.store import FeatureSpec, GroupPlan

from .conftest import FULL

STATES = ("checkpoints/last.ckpt", "checkpoints/before-last.ckpt")
NOT_ALIKE = (LEDGER, INDEX, *STATES)  # they hold times
KINDS = ("flip", "truncate", "empty", "folder", "full folder", "delete")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> str:
    """Speech and text of thirty-six utterances, pooled."""
    from tests.conftest import StoreFactory

    stores = StoreFactory(tmp_path_factory.mktemp("store"))
    table = stores.manifest(36)
    table = table.assign(valence=np.arange(36) % 7)
    lengths = np.full(len(table), 4)
    text = {
        "contextual": FeatureSpec(dim=4, dtype="float16"),
        "token_ids": FeatureSpec(dim=None, dtype="int32"),
    }
    with stores.writer(table) as writer:
        speech = stores.plan(table, features={"layer-1": 6})
        stores.fill(writer.plan_group(speech), speech)
        told = {"provenance": {"model": "bert"}, "lengths": lengths, "shard_bytes": 400}
        group = writer.plan_group(GroupPlan(name="bert", kind="text", features=text, **told))
        rng = np.random.default_rng(0)
        for shard in group.pending():
            num = len(range(*group.layout.shard_utterances(shard)))
            rows = {
                "contextual": [rng.normal(size=(4, 4)) for _ in range(num)],
                "token_ids": [rng.integers(0, 9, 4).astype(np.int32) for _ in range(num)],
            }
            group.commit(shard, rows, {})
        keys = np.arange(9, dtype=np.int32)
        values = rng.normal(size=(9, 4)).astype(np.float16)
        group.put_lookup("word", ids="token_ids", keys=keys, table=values)
    pool(PoolSettings(store=str(stores.path), features=("whisper-tiny/layer-1",)))
    return str(stores.path)


def classified(store: str, out: Path) -> Path:
    grid = GridSettings(batch_sizes=(8,), learning_rates=(1e-2,), hidden=(4,), epochs=1)
    chosen = {"protocols": ("random",), "classifiers": ("mlp", "logreg"), "grid": grid}
    return classify(ClassifySettings(dataset="emodb", store=store, out=out, device="cpu", **chosen))


def regressed(store: str, out: Path) -> Path:
    chosen = {"protocols": ("random",), "targets": ("valence",)}
    return regress(RegressSettings(dataset="emodb", store=store, out=out, device="cpu", **chosen))


def pretrained(store: str, out: Path) -> Path:
    chosen = {"epochs": 2, "batch_size": 8, "save_steps": 1, "device": "cpu"}
    return pretrain(PretrainSettings(store=store, out=out, **chosen))


MAKERS = {"classify": classified, "regress": regressed, "pretrain": pretrained}


@pytest.fixture(scope="module")
def wholes(store, tmp_path_factory) -> dict[str, Path]:
    """A folder of each command, undamaged: a copy of what was made in `made/COMMAND`."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("checksummed")
    for name, make in MAKERS.items():
        shutil.copytree(make(store, folder / "made" / name), folder / name)
    return {name: folder / name for name in MAKERS}


def contents(folder: Path) -> dict[str, bytes]:
    names = ChecksummedFolder(folder).listed()
    return {n: (folder / n).read_bytes() for n in names if n not in NOT_ALIKE}


def ledger(folder: Path) -> list[str]:
    file = folder / LEDGER
    return file.read_text().splitlines() if file.exists() else []


def damage(path: Path, kind: str, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    if kind == "flip":
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
    elif kind == "truncate":
        path.write_bytes(content[: rng.randrange(len(content))])
    elif kind == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
        if kind != "delete":
            path.mkdir()
        if kind == "full folder":
            (path / "mine").write_text("")


def read(command: str, folder: Path) -> str:
    """Read a folder for the report, and write out all of it."""
    runs = [folder] if command == "pretrain" else []
    found = read_inputs([] if runs else [folder], runs)
    (one,) = found.runs or found.experiments
    return repr([v for name, v in vars(one).items() if name not in ("folder", "evaluations")])


def mutations(folder: Path, seed: int) -> list[tuple[str, str]]:
    """Some damages, or of each file each kind."""
    files = sorted([*ChecksummedFolder(folder).listed(), INDEX])
    every = [(name, kind) for name in files for kind in KINDS]
    return every if FULL else random.Random(seed).sample(every, 7)


@pytest.mark.parametrize("finished", [True, False], ids=["finished", "stopped"])
@pytest.mark.parametrize("command", list(MAKERS))
def test_damage_is_repaired_alike_or_named(command, finished, store, wholes):
    whole, make = wholes[command], MAKERS[command]
    alike, page = contents(whole), read(command, whole)
    place = whole.parent / "made" / command
    for number, (name, kind) in enumerate(mutations(whole, seed=len(command) + finished)):
        shutil.rmtree(place)
        shutil.copytree(whole, place)
        if not finished:
            ChecksummedFolder(place).drop(STAMP_NAME)
        if (place / name).exists():
            damage(place / name, kind, random.Random(number))
            check(command, make, store, place, name, kind, alike, page, ledger(whole))


def check(
    command: str,
    make: Callable[[str, Path], Path],
    store: str,
    copy: Path,
    name: str,
    kind: str,
    alike: dict[str, bytes],
    page: str,
    lines: list[str],
) -> None:
    what = f"{kind} of {name}"
    stands_for = (Path(name).name, "provenance.json")  # a stopped run has none
    try:
        assert read(command, copy) == page, what
    except TokserError as error:
        assert any(part in str(error) for part in stands_for), what
    try:
        make(store, copy)
    except TokserError as error:
        assert kind == "full folder", what
        assert str(copy / name) in str(error), what
        return
    assert contents(copy) == alike, what
    assert not ChecksummedFolder(copy).faults(), what
    assert read(command, copy) == page, what
    assert set(lines) <= set(ledger(copy)), what  # what is tested again is one line more
