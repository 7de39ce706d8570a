"""One flipped bit anywhere is noticed and named, and no reader takes it for data."""

import json
import random
import shutil
import signal
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tokser.config import PoolSettings
from tokser.errors import QuarantinedError, TokserError
from tokser.stages.pool import pool
from tokser.store import FeatureSpec, GroupPlan, Store, open_store, verify_store

from .runs import child, wait

FORMATS = [
    (".zarr", "none"),
    (".zarr", "zstd"),
    (".zarr", "blosc"),
    (".h5", "none"),
    (".h5", "gzip"),
]
LIMIT_S = 20
BROKEN, SILENT = 3, 5


class Flip(NamedTuple):
    """A bit of a file of the store."""

    key: str
    byte: int
    bit: int

    @property
    def shard(self) -> tuple[str, int] | None:
        """Feature and number of the shard whose rows or entry it is in."""
        for part in ("rows", "journal"):
            feature, found, rest = self.key.partition(f"/{part}/")
            if found and rest != "zarr.json":
                return feature, int(Path(rest.removeprefix("c/").split("/")[0]).stem)
        return None

    @property
    def in_document(self) -> bool:
        folder, _, name = self.key.rpartition("/")
        groups = ("", "whisper-tiny", "bert", "functionals/whisper-tiny", "functionals/bert")
        return name in ("store.json", "group.json") or (name == "zarr.json" and folder in groups)


class Original:
    """A whole store, and what is read from it."""

    def __init__(self, path: Path) -> None:
        self.path, self.store = path, open_store(path)
        self.keys = [p.relative_to(path).as_posix() for p in sorted(path.rglob("*")) if p.is_file()]
        self.right = {
            (name, utterance): read(self.store, name, utterance)
            for name in (*self.store.arrays, "bert/word")
            for utterance in self.store.ids
        }

    def flips(self, number: int):
        """Bits of files of all kinds, always the same."""
        rng = random.Random(0)
        for _ in range(number):
            key = rng.choice(self.keys)
            yield Flip(key, rng.randrange((self.path / key).stat().st_size), rng.randrange(8))

    def utterances(self, flip: Flip) -> set[str] | None:
        """Those whose rows a bit belongs to; None where that cannot be said."""
        feature, shard = flip.shard
        layer = self.store[feature]
        layout = layer.layout
        span = range(*layout.shard_utterances(shard))
        if "/journal/" in flip.key:
            return {self.store.ids[i] for i in span}
        raw = self.store.backend.raw_shard(feature, shard, layer.spec, layout)
        first, after = layout.shard_rows(shard)
        row = first + (flip.byte - raw.offset) // layer.spec.row_bytes if raw else -1
        if not first <= row < after:
            return None
        starts, lengths = layout.row_starts, layout.row_lengths
        return {self.store.ids[i] for i in span if starts[i] <= row < starts[i] + lengths[i]}


def read(store: Store, feature: str, utterance: str) -> bytes:
    try:
        rows = store[feature][utterance]
    except QuarantinedError:
        return b"quarantined"
    return f"{rows.dtype} {rows.shape} ".encode() + rows.tobytes()


@pytest.fixture(scope="session")
def originals(tmp_path_factory) -> dict[tuple[str, str], Path]:
    """A store of each format: speech, text with a lookup, functionals; beyond ASCII, too."""
    from tests.conftest import StoreFactory

    made = {}
    for form in FORMATS:
        stores = StoreFactory(tmp_path_factory.mktemp("original"), *form)
        table = stores.manifest(10)
        table["transcript"] = "Übermut, 감정이 담긴 목소리"
        with stores.writer(table) as writer:
            fill_speech(stores, writer, table)
            fill_text(stores, writer, table)
        pool(PoolSettings(store=str(stores.path)))
        made[form] = stores.path
    return made


def fill_speech(stores, writer, table) -> None:
    features = {"layer-1": 6, "layer-2": 6}
    plan = stores.plan(table, features=features, shard_bytes=3_000, place="감정 연구실")
    group = writer.plan_group(plan)
    for shard, names in group.pending().items():
        span = range(*group.layout.shard_utterances(shard))
        rows = {n: [stores.rows(plan, n, i) if i != BROKEN else None for i in span] for n in names}
        group.commit(shard, rows, {table.index[BROKEN]: "no audio"} if BROKEN in span else {})


def fill_text(stores, writer, table) -> None:
    lengths = np.arange(len(table)) % 4 + 2
    lengths[SILENT] = 0
    spec = FeatureSpec(dim=None, dtype="int32", compression=stores.compression)
    plan = GroupPlan(
        name="bert",
        kind="text",
        features={"token_ids": spec},
        lengths=lengths,
        provenance={"model": "bert"},
        shard_bytes=60,
    )
    rng = np.random.default_rng(0)
    keys = np.arange(0, 40, 2, dtype=np.int32)
    group = writer.plan_group(plan)
    for shard in group.pending():
        span = range(*group.layout.shard_utterances(shard))
        ids = [rng.choice(keys, lengths[i]) if i != SILENT else None for i in span]
        reasons = {table.index[SILENT]: "empty transcript"} if SILENT in span else {}
        group.commit(shard, {"token_ids": ids}, reasons)
    values = rng.normal(size=(len(keys), 4)).astype(np.float16)
    group.put_lookup("word", ids="token_ids", keys=keys, table=values)


def check(original: Original, copy: Path, flip: Flip) -> None:
    """Flip a bit of a copy, see who notices, and flip it back."""
    file = copy / flip.key
    whole = file.read_bytes()
    damaged = bytearray(whole)
    damaged[flip.byte] ^= 1 << flip.bit
    put(file, damaged)
    refused = check_reader(original, copy)
    check_verify(original, copy, flip, refused)
    put(file, whole)


def put(file: Path, content: bytes) -> None:
    """Put another file in place: of one that is open still, HDF5 remembers what it was."""
    other = file.with_name("other")
    other.write_bytes(content)
    other.replace(file)


def check_reader(original: Original, copy: Path) -> set[tuple[str, str]]:
    """Read everything: what is right, or an error of ours; return what was refused."""
    try:
        store = open_store(copy, check=True)
    except TokserError:
        return set(original.right)
    for part in ("ids", "manifest_text"):
        try:
            assert getattr(store, part) == getattr(original.store, part)
        except TokserError:
            continue
    refused = set()
    for (feature, utterance), right in original.right.items():
        try:
            assert read(store, feature, utterance) == right, (feature, utterance)
        except TokserError:
            refused.add((feature, utterance))
    return refused


def check_verify(original: Original, copy: Path, flip: Flip, refused: set[tuple[str, str]]) -> None:
    """See that the fault is found, and named as what it is."""
    try:
        damages = verify_store(open_store(copy)).damages
    except TokserError:
        assert flip.in_document
        return
    assert damages
    if flip.shard is None:
        assert flip.key in {damage.what for damage in damages}
        return
    (damage,) = damages
    assert (damage.what, damage.shard) == flip.shard
    wanted = original.utterances(flip)
    assert wanted is None or set(damage.utterances) == wanted
    with_rows = {u for (name, u), right in original.right.items() if name == damage.what}
    with_rows -= {u for u in with_rows if original.right[damage.what, u] == b"quarantined"}
    assert {u for name, u in refused if name == damage.what} & with_rows == (
        set(damage.utterances) & with_rows
    )


def check_many(original: Original, copy: Path, flips, note: Path) -> None:
    """Check flips one after the other; the last that `note` names is the one that went wrong."""
    shutil.copytree(original.path, copy)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # a handler in Python waits for the library
    for flip in flips:
        note.write_text(json.dumps(flip))
        signal.alarm(LIMIT_S)  # a reader that hangs dies of it
        check(original, copy, flip)
    signal.alarm(0)


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: "".join(form))
def test_a_flipped_bit_is_noticed_named_and_never_read(originals, form, tmp_path, counts):
    original = Original(originals[form])
    flips = original.flips(counts["flips"] // len(FORMATS))
    note = tmp_path / "flip.json"
    # In a process of its own: a library that crashes on damage must show as a failure.
    process = child(lambda: check_many(original, tmp_path / "copy", flips, note))
    assert wait(process, timeout_s=3_000) == 0, note.read_text()


@pytest.mark.parametrize("byte", [0, 1, 7])
def test_a_damaged_text_length_does_not_hang_a_reader(originals, tmp_path, byte):
    """HDF5 walks through its heap of texts by their lengths, which it does not check."""
    original = Original(originals[".h5", "none"])
    heap = (original.path / "utterances.h5").read_bytes()
    length = heap.index((6).to_bytes(8, "little") + b"utt000")
    flips = [Flip("utterances.h5", length + byte, bit) for bit in range(8)]
    note = tmp_path / "flip.json"
    process = child(lambda: check_many(original, tmp_path / "copy", flips, note))
    assert wait(process) == 0, note.read_text()


@pytest.mark.parametrize("form", [(".zarr", "none"), (".h5", "none")], ids=lambda form: form[0])
def test_a_flip_that_breaks_utf8_is_damage(originals, tmp_path, form):
    original = Original(originals[form])
    key = "whisper-tiny/zarr.json" if form[0] == ".zarr" else "whisper-tiny/group.json"
    content = (original.path / key).read_bytes()
    start = content.index("감정 연구실".encode())
    flips = [Flip(key, start + byte, bit) for byte in range(16) for bit in range(8)]
    note = tmp_path / "flip.json"
    process = child(lambda: check_many(original, tmp_path / "copy", flips, note))
    assert wait(process) == 0, note.read_text()
