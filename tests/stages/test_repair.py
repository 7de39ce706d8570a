import hashlib
import os
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

import tokser
from tokser.config import ExtractSettings, PoolSettings
from tokser.errors import CorruptStoreError, StoreMismatchError
from tokser.stages.extract import extract
from tokser.stages.pool import pool
from tokser.stages.repair import repair
from tokser.store import verify_store

pytestmark = pytest.mark.slow


@pytest.fixture(params=[".zarr", ".h5"])
def settings(request, emodb, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("tokser.store.layout.CHUNK_BYTES", 4_096)
    return ExtractSettings(
        dataset="emodb",
        root=emodb,
        store=str(tmp_path / f"emodb{request.param}"),
        encoders=(str(tiny / "tiny-whisper"), str(tiny / "tiny-bert")),
    )


def fill(settings):
    extract(settings)
    pool(PoolSettings(store=settings.store))
    return tokser.open_store(settings.store)


def digests(store):
    files = sorted(path for path in Path(store.path).rglob("*") if path.is_file())
    return {str(f): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def local(store, key):
    return store.backend.objects.folder / key


def shard_file(store, feature, shard):
    return local(store, store.backend.shard_key(feature, shard, store[feature].spec))


def flip(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 16
    file.write_bytes(data)


def small_file(store, part):
    files = dict(store.attributes.files)
    for group in store.groups:
        files |= store.group(group).files
    return local(store, next(key for key in files if part in key))


@pytest.mark.parametrize("damage", ["flip", "delete", "cut"])
def test_only_damaged_shards_are_computed_again(settings, damage, monkeypatch):
    store = fill(settings)
    whole = digests(store)
    feature = "tiny-whisper/layer-2"
    file = shard_file(store, feature, 1)
    if damage == "flip":
        flip(file)
    elif damage == "delete":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:100])
    done = repair(settings.store)
    assert done.invalidated == {feature: [1]}
    assert not verify_store(tokser.open_store(settings.store)).damages
    first, after = store[feature].layout.shard_utterances(1)
    assert extract(settings).num_encoded == after - first
    assert digests(store) == whole


@pytest.mark.parametrize("layer", ["layer-1", "layer-2"])
def test_one_layer_that_is_computed_again_has_the_bits_it_had(settings, layer):
    wide = {"layers": "all", "encoders": settings.encoders[:1], "dtype": "float32"}
    settings = settings.model_copy(update=wide)
    extract(settings)
    store = tokser.open_store(settings.store)
    before = digests(store)
    file = shard_file(store, f"tiny-whisper/{layer}", 0)
    flip(file)
    assert repair(settings.store).invalidated == {f"tiny-whisper/{layer}": [0]}
    extract(settings)
    assert digests(store)[str(file)] == before[str(file)]
    assert verify_store(tokser.open_store(settings.store)).is_whole


def test_a_damaged_journal_costs_its_shard_only(settings):
    store = fill(settings)
    whole = digests(store)
    text = store.backend.read_entry("tiny-bert/contextual", 0)
    store.backend.write_entry("tiny-bert/contextual", 0, text.replace("shard", "shart"))
    with pytest.raises(CorruptStoreError, match="tokser store repair"):
        extract(settings)
    assert repair(settings.store).invalidated == {"tiny-bert/contextual": [0]}
    extract(settings)
    assert digests(store) == whole


@pytest.mark.parametrize(
    "part",
    [
        *("manifest", "ids", "row_starts", "rows/zarr.json", "table", "keys", "functionals"),
        *("utterances.h5", "layout.h5"),
    ],
)
def test_small_files_are_written_anew_by_the_next_run(settings, part):
    store = fill(settings)
    whole = digests(store)
    try:
        file = small_file(store, part)
    except StopIteration:
        pytest.skip("not a file of this format")
    flip(file)
    assert verify_store(tokser.open_store(settings.store)).damages
    extract(settings)
    pool(PoolSettings(store=settings.store))
    assert digests(store) == whole


def test_a_lost_shard_is_noticed_by_the_next_run(settings):
    store = fill(settings)
    shard_file(store, "tiny-whisper/layer-2", 0).unlink()
    with pytest.raises(CorruptStoreError, match=r"shard 0: expected \d+ bytes, got no file"):
        extract(settings)


def test_an_undamaged_store_needs_no_repair(settings):
    store = fill(settings)
    whole = digests(store)
    assert repair(settings.store, settings.root) == ({}, [], [])
    assert digests(store) == whole


def change(path, *, keep_time=False):
    before = path.stat()
    samples, rate = soundfile.read(path)
    soundfile.write(path, 0.5 * np.asarray(samples), rate)
    if keep_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_recording_that_changed_is_refused_and_named(settings, emodb):
    fill(settings)
    change(emodb / "wav" / "08b01Ta.wav")
    with pytest.raises(StoreMismatchError, match=r"08b01Ta: its file changed.*--root"):
        extract(settings)


def test_a_recording_that_was_only_copied_is_not_stale(settings, emodb):
    fill(settings)
    for path in (emodb / "wav").iterdir():
        os.utime(path, (time.time() + 5, time.time() + 5))
    assert extract(settings).num_encoded == 0


@pytest.mark.parametrize("keep_time", [True, False])
def test_features_of_a_changed_recording_are_computed_again(settings, emodb, keep_time):
    fill(settings)
    before = tokser.open_store(settings.store)
    feature = "tiny-whisper/layer-2"
    old = before[feature].functionals().copy()
    change(emodb / "wav" / "08b01Ta.wav", keep_time=keep_time)
    done = repair(settings.store, emodb)
    assert [stale.utterance for stale in done.stale] == ["08b01Ta"]
    assert set(done.invalidated) == {feature, f"functionals/{feature}"}
    store = fill(settings)
    changed = (store[feature].functionals() != old).any(axis=1)
    assert list(changed.index[changed]) == ["08b01Ta"]
