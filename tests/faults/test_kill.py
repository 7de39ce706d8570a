"""A process that dies at any moment costs a shard, never a bit."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tokser.errors import TokserError
from tokser.stages.extract import extract
from tokser.store import open_store, verify_store

from .conftest import FULL
from .runs import child, contents, die_within_write, extraction, settings_for, wait


@pytest.fixture(params=[".zarr", ".h5"])
def whole(request, tmp_path, corpus, encoders, small_shards):
    """An uninterrupted store, how long it took, and the settings of another."""
    settings = settings_for(tmp_path / f"whole{request.param}", corpus, encoders)
    begin = time.monotonic()
    assert wait(extraction(settings)) == 0
    seconds = time.monotonic() - begin
    other = settings_for(tmp_path / f"killed{request.param}", corpus, encoders)
    return tmp_path / f"whole{request.param}", seconds, other, tmp_path / f"killed{request.param}"


def test_killed_at_random_moments_the_store_ends_the_same(whole, counts):
    reference, seconds, settings, store = whole
    assert len(contents(reference)) > 50
    wanted = contents(reference)
    rng = random.Random(0)
    kills = 0
    while kills < counts["kills"] // 2:
        pid = extraction(settings)
        time.sleep(rng.uniform(0, seconds))
        os.kill(pid, signal.SIGKILL)
        if wait(pid) == 0:
            finish(store, wanted)
            continue
        kills += 1
        if store.exists() and rng.random() < 0.2:
            assert not [d for d in damages(store) if d.shard is not None]
        if rng.random() < 0.25:  # also let it come to its end, and begin again
            assert wait(extraction(settings)) == 0
            finish(store, wanted)
    assert wait(extraction(settings)) == 0
    assert contents(store) == wanted
    assert verify_store(open_store(store)).is_whole


WRITES = range(1, 60) if FULL else range(1, 12, 3)


def test_a_kill_within_any_write_ends_in_the_same_store(whole):
    """The first writes lay the store down: a window that random moments seldom meet."""
    reference, _, settings, store = whole
    wanted = contents(reference)
    for number in WRITES:
        if wait(child(lambda n=number: die_within_write(n, lambda: extract(settings)))) == 0:
            finish(store, wanted)  # fewer writes than that were left
        else:
            assert list(store.rglob("*.partial"))
    assert wait(extraction(settings)) == 0
    assert contents(store) == wanted


def finish(store, wanted):
    assert contents(store) == wanted
    shutil.rmtree(store)


def damages(store):
    """What `verify` says of a store whose creation may have been cut short."""
    try:
        return verify_store(open_store(store)).damages
    except TokserError:
        return []


SIGNALS = [signal.SIGTERM, signal.SIGINT] if FULL else [signal.SIGTERM]

SLOW_EXTRACTION = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored below a shell's `command &`
import tokser.store.layout as layout, time
layout.CHUNK_BYTES = 65536
from tokser.extraction.commit import Committer
from tokser.store import GroupWriter
commit, submit = GroupWriter.commit, Committer.submit
def printing_commit(*arguments):
    done = commit(*arguments)
    print("committed", flush=True)
    return done
def slow_submit(self, builder, *arguments):
    if builder.shard == 1:
        time.sleep(60)
    submit(self, builder, *arguments)
GroupWriter.commit, Committer.submit = printing_commit, slow_submit
from tokser.cli import main
main()
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_stops_with_a_message_and_resumes(tmp_path, corpus, encoders, number, monkeypatch):
    monkeypatch.setattr("tokser.store.layout.CHUNK_BYTES", 65_536)
    settings = settings_for(tmp_path / "emodb.zarr", corpus, encoders[:1])
    call = [sys.executable, "-c", SLOW_EXTRACTION, "extract", "--dataset", "emodb"]
    call += ["--root", corpus, "--encoder", encoders[0], "--store", settings.store]
    call += ["--layers", "all"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(call, **pipes, env=environment) as process:
        assert process.stdout.readline() == "committed\n"
        process.send_signal(number)
        _, message = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Stopped. What is done is kept" in message
    assert "Traceback" not in message
    store = open_store(settings.store)
    assert not verify_store(store).damages
    entries = store["tiny-whisper/layer-2"].entries
    assert [entry is not None for entry in entries[:2]] == [True, False]
    first, after = store["tiny-whisper/layer-2"].layout.shard_utterances(0)
    assert extract(settings).num_encoded == 24 - (after - first)
