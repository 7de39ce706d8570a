"""Shards as Dask tasks: the bits of a serial run, even if a worker dies."""

import hashlib
import os
import signal
import threading
import time

import numpy as np
import pytest
import soundfile
import torch
from distributed import Client, LocalCluster

from tokser.config import ExtractSettings
from tokser.device import one_thread
from tokser.errors import RunError
from tokser.stages.extract import extract
from tokser.store import open_store, verify_store

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster():
    """Two processes of one thread each."""
    options = {"threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", "memory_limit": 0}
    with LocalCluster(n_workers=2, processes=True, **options) as started:
        yield started


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, write_noise_emodb):
    """Twenty-four recordings of noise, one of them broken, one cut short behind its header."""
    root = tmp_path_factory.mktemp("emodb")
    write_noise_emodb(root)
    samples = np.full(8_000, np.nan, dtype=np.float32)
    soundfile.write(root / "wav" / "03b02Na.wav", samples, 16_000, subtype="FLOAT")
    return root


@pytest.fixture
def settings(corpus, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("tokser.store.layout.CHUNK_BYTES", 8_192)

    def _settings(name, **changes):
        return ExtractSettings(
            dataset="emodb",
            root=corpus,
            store=str(tmp_path / name),
            encoders=(str(tiny / "tiny-whisper"), str(tiny / "tiny-bert")),
            layers="all",
            **changes,
        )

    return _settings


def contents(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def kill_after_the_first_shard(pid, store):
    """Kill a process as soon as something is committed."""
    while not list(store.glob("tiny-whisper/*/journal/c/*")):
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)


def test_a_killed_worker_leaves_the_bits_of_a_serial_run(settings, cluster, tmp_path, capsys):
    with one_thread():  # sums in a matrix product depend on the number of threads
        serial = extract(settings("serial.zarr"))
    with Client(cluster, set_as_default=False) as client:
        pids = set(client.run(os.getpid).values())
    arguments = (min(pids), tmp_path / "spread.zarr")
    killer = threading.Thread(target=kill_after_the_first_shard, args=arguments, daemon=True)
    killer.start()
    spread = extract(settings("spread.zarr", scheduler=cluster.scheduler_address))
    killer.join(10)
    assert not killer.is_alive()
    assert contents(tmp_path / "spread.zarr") == contents(tmp_path / "serial.zarr")
    assert verify_store(open_store(spread.store)).is_whole
    assert spread.quarantined == serial.quarantined
    assert len(spread.quarantined) == 2
    assert not list(tmp_path.glob("spread.zarr.lock.*"))
    assert "Dask dashboard: http://127.0.0.1:" in capsys.readouterr().err
    again = extract(settings("spread.zarr", scheduler=cluster.scheduler_address))
    assert again.num_encoded == 0


def test_functionals_alone_are_the_same_too(settings, cluster, tmp_path):
    changes = {"functionals_only": True}
    with one_thread():
        extract(settings("serial.zarr", **changes))
    extract(settings("spread.zarr", scheduler=cluster.scheduler_address, **changes))
    assert contents(tmp_path / "spread.zarr") == contents(tmp_path / "serial.zarr")


def test_an_error_on_a_worker_is_raised_unchanged(settings, cluster, tiny, tmp_path):
    from tokser.testing.encoders import build_tiny_whisper

    build_tiny_whisper(tmp_path / "tiny-whisper")
    weights = tmp_path / "tiny-whisper" / "model.safetensors"
    from safetensors.torch import load_file, save_file

    tensors = load_file(weights)
    name = next(key for key in tensors if key.endswith("conv1.bias"))
    save_file(tensors | {name: torch.full_like(tensors[name], 1e30)}, weights, {"format": "pt"})
    call = settings("broken.zarr", scheduler=cluster.scheduler_address)
    call = call.model_copy(update={"encoders": (str(tmp_path / "tiny-whisper"),)})
    with pytest.raises(RunError, match=r"expected finite values that float16 holds"):
        extract(call)
