"""Several extractors on one store share its shards."""

import os
import random
import signal
import time
from collections import Counter

import pytest

from tokser.store import open_store, verify_store

from .runs import contents, extraction, settings_for, wait


@pytest.fixture
def serial(tmp_path, corpus, encoders, small_shards):
    settings = settings_for(tmp_path / "serial.zarr", corpus, encoders)
    begin = time.monotonic()
    assert wait(extraction(settings)) == 0
    return contents(tmp_path / "serial.zarr"), time.monotonic() - begin


@pytest.mark.parametrize("number", [2, 4])
def test_they_all_finish_and_each_shard_is_computed_once(
    serial, tmp_path, corpus, encoders, counts, number
):
    wanted, _ = serial
    for turn in range(counts["concurrent_rounds"]):
        store, log = tmp_path / f"shared{turn}.zarr", tmp_path / f"commits{turn}.txt"
        settings = settings_for(store, corpus, encoders)
        processes = [extraction(settings, log) for _ in range(number)]
        assert [wait(pid) for pid in processes] == [0] * number
        assert contents(store) == wanted
        commits = Counter(log.read_text().splitlines())
        assert set(commits.values()) == {1}
        assert not list(tmp_path.glob(f"{store.name}.lock.*"))


@pytest.mark.parametrize("number", [2, 4])
def test_what_a_killed_one_held_is_taken_over(serial, tmp_path, corpus, encoders, counts, number):
    wanted, seconds = serial
    rng = random.Random(number)
    for turn in range(counts["concurrent_rounds"]):
        store, log = tmp_path / f"killed{turn}.zarr", tmp_path / f"commits{turn}.txt"
        settings = settings_for(store, corpus, encoders)
        victim, *others = [extraction(settings, log) for _ in range(number)]
        time.sleep(rng.uniform(0.1, 0.8) * seconds)
        os.kill(victim, signal.SIGKILL)
        wait(victim)
        assert [wait(pid) for pid in others] == [0] * len(others)
        assert contents(store) == wanted
        assert verify_store(open_store(store)).is_whole
        twice = [line for line, times in Counter(log.read_text().splitlines()).items() if times > 1]
        assert len(twice) <= 8  # a shard's features, if it died between the last entry and its note
