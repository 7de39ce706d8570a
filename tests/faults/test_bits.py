"""One flipped bit anywhere is noticed, and named."""

import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from tokser.config import PoolSettings
from tokser.errors import TokserError
from tokser.stages.pool import pool
from tokser.store import FeatureSpec, GroupPlan, open_store, verify_store

from .runs import child, wait

FORMATS = [(".zarr", "none"), (".zarr", "zstd"), (".h5", "none"), (".h5", "gzip")]


@pytest.fixture(scope="session")
def originals(tmp_path_factory):
    """A store of each format: speech, text with a lookup, functionals."""
    from tests.conftest import StoreFactory

    made = {}
    for suffix, packing in FORMATS:
        stores = StoreFactory(tmp_path_factory.mktemp("original"), suffix, packing)
        table = stores.manifest(10)
        speech = stores.plan(table, features={"layer-1": 6}, shard_bytes=1_500)
        text = GroupPlan(
            name="bert",
            kind="text",
            features={"token_ids": FeatureSpec(dim=None, dtype="int32", compression=packing)},
            lengths=np.full(10, 3),
            provenance={},
        )
        with stores.writer(table) as writer:
            stores.fill(writer.plan_group(speech), speech)
            group = writer.plan_group(text)
            ids = [np.array([2, 9, 3], dtype=np.int32)] * 10
            group.commit(0, {"token_ids": ids}, {})
            keys = np.array([2, 3, 9], dtype=np.int32)
            values = np.arange(12, dtype=np.float16).reshape(3, 4)
            group.put_lookup("word", ids="token_ids", keys=keys, table=values)
        pool(PoolSettings(store=str(stores.path)))
        made[suffix, packing] = stores.path
    return made


def everything(store):
    return {
        (name, utterance): store[name][utterance].tobytes()
        for name in store.arrays + store.features
        for utterance in store[name].ids
    }


def flip(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def check(original: Path, copy: Path, seed: int) -> None:
    """Flip a bit of a copy, and see that it is noticed and that no wrong value is read."""
    rng = random.Random(seed)
    right = everything(open_store(original))
    file = rng.choice(sorted(path for path in original.rglob("*") if path.is_file()))
    shutil.copytree(original, copy)
    damaged = copy / file.relative_to(original)
    flip(damaged, rng)
    where = f"seed {seed}, {damaged.relative_to(copy)}"
    try:
        damages = verify_store(open_store(copy)).damages
    except TokserError:
        damages = None
    assert damages != [], f"not noticed: {where}"
    shard = shard_of(damaged.relative_to(copy))
    if damages and shard is not None:
        assert {(damage.what, damage.shard) for damage in damages} == {shard}, where
    try:
        store = open_store(copy, check=True)
        arrays = store.arrays + store.features
    except TokserError:
        return
    for name in arrays:
        try:
            ids = store[name].ids
        except TokserError:
            continue
        for utterance in ids:
            try:
                rows = store[name][utterance]
            except TokserError:
                continue
            assert rows.tobytes() == right[name, utterance], where
    shutil.rmtree(copy)


def shard_of(file: Path) -> tuple[str, int] | None:
    """Feature and number of the shard that a file holds, None if it holds none."""
    feature, rows, rest = str(file).partition("/rows/")
    if not rows or rest == "zarr.json":
        return None
    return feature, int(rest.removeprefix("c/").split("/")[0].removesuffix(".h5"))


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: "".join(form))
def test_a_flipped_bit_is_noticed_and_never_read(originals, form, tmp_path, counts):
    number = counts["flips"] // len(FORMATS)

    def flip_many() -> None:
        for seed in range(number):
            check(originals[form], tmp_path / f"copy{seed}", seed)

    # In a process of its own: a library that crashes on damage must show as a failure.
    assert wait(child(flip_many), timeout_s=900) == 0
