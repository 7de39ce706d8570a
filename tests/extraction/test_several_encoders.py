"""Several encoders in one call: what is stored is what each alone would store, to the bit."""

import hashlib

import numpy as np
import pytest
import soundfile

from tokser.config import ExtractSettings
from tokser.extraction import decode
from tokser.stages.extract import extract
from tokser.store import open_store, verify_store
from tokser.testing.encoders import build_tiny_wavlm, build_tiny_whisper

pytestmark = pytest.mark.slow

NAMES = ("tiny-whisper", "tiny-wavlm", "acoustic")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, write_noise_emodb):
    """Noise, some of it FLAC at 24 kHz, and too short for a frame of WavLM; one is broken."""
    folder = tmp_path_factory.mktemp("corpus")
    write_noise_emodb(folder)
    rng = np.random.default_rng(1)
    for number, path in enumerate(sorted((folder / "wav").iterdir())[::3]):
        samples = rng.normal(0, 0.1, 300 if number == 0 else 24_000)
        soundfile.write(path, samples, 24_000, format="FLAC")
    for name, build in (("tiny-whisper", build_tiny_whisper), ("tiny-wavlm", build_tiny_wavlm)):
        build(folder / name)
    return folder


@pytest.fixture
def run(corpus, tmp_path, monkeypatch):
    """Return what extracts some encoders into a store; its shards are small."""
    monkeypatch.setattr("tokser.store.layout.CHUNK_BYTES", 8_192)

    def _run(store, *names, **changes):
        sources = [name if name == "acoustic" else str(corpus / name) for name in names]
        values = {"dataset": "emodb", "root": corpus, "store": str(tmp_path / store)}
        return extract(ExtractSettings(**values, encoders=tuple(sources), layers="all", **changes))

    return _run


@pytest.fixture
def decoded(monkeypatch):
    """Which recordings are decoded, in their order."""
    paths, plain = [], decode.read_waveform

    def read(path, channel):
        paths.append(path.name)
        return plain(path, channel)

    monkeypatch.setattr(decode, "read_waveform", read)
    return paths


def contents(path):
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return {
        file.relative_to(path).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if "lock" not in file.name
    }


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_together_and_one_by_one_give_the_same_bits(run, tmp_path, suffix):
    done = run(f"together{suffix}", *NAMES)
    for name in NAMES:
        run(f"alone{suffix}", name)
    stores = [open_store(tmp_path / f"{way}{suffix}") for way in ("together", "alone")]
    assert len({store.layout(name).num_shards for store in stores for name in NAMES[:2]}) == 2
    assert done.quarantined == stores[1].quarantined
    for feature in stores[1].features:
        for name in stores[1][feature].ids:
            found, wanted = (store[feature][name] for store in stores)
            assert found.tobytes() == wanted.tobytes()
    assert contents(tmp_path / f"together{suffix}") == contents(tmp_path / f"alone{suffix}")


def test_each_recording_is_decoded_once(run, decoded, tmp_path):
    run("store.zarr", *NAMES)
    assert len(decoded) == len(set(decoded)) >= 22


def test_without_room_the_store_is_the_same(run, decoded, tmp_path, monkeypatch):
    run("roomy.zarr", *NAMES[:2])
    once = len(decoded)
    monkeypatch.setattr("tokser.extraction.run_plan.MAX_BYTES", 0)
    run("without.zarr", *NAMES[:2])
    assert len(decoded) - once > 1.9 * once
    assert contents(tmp_path / "without.zarr") == contents(tmp_path / "roomy.zarr")


def test_what_a_stopped_call_lacks_is_added(run, tmp_path, monkeypatch):
    run("whole.zarr", *NAMES[:2])
    encode, batches = decode.read_waveform, []

    def stop(path, channel):
        batches.append(path)
        if len(batches) == 12:
            raise KeyboardInterrupt
        return encode(path, channel)

    monkeypatch.setattr(decode, "read_waveform", stop)
    with pytest.raises(KeyboardInterrupt):
        run("stopped.zarr", *NAMES[:2])
    monkeypatch.setattr(decode, "read_waveform", encode)
    assert verify_store(open_store(tmp_path / "stopped.zarr")).missing
    run("stopped.zarr", *NAMES[:2])
    assert contents(tmp_path / "stopped.zarr") == contents(tmp_path / "whole.zarr")


def test_summaries_are_those_of_each_encoder(run):
    done = run("store.zarr", *NAMES[:2])
    first, second = done.summaries
    assert (first.encoder, second.encoder) == NAMES[:2]
    assert first.num_encoded == second.num_encoded + 1  # one is too short for WavLM
    assert done.num_encoded == first.num_computed + second.num_computed
    again = run("store.zarr", *NAMES[:2])
    assert again.num_encoded == 0
