"""What several encoders read: decoded once, bounded, and each its own."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokser.corpora.waveform import Fingerprint
from tokser.extraction.decode import Decoded
from tokser.extraction.shared_audio import SharedAudio

SAMPLES = 100
SIZE = 4 * SAMPLES
ROOMY = 1_000 * SIZE


class Recordings:
    """Counts how often each is decoded."""

    def __init__(self):
        self.counts = {}

    def decoder(self, name):
        def decode():
            self.counts[name] = self.counts.get(name, 0) + 1
            waveform = np.full(SAMPLES, float(name), dtype=np.float32)
            return Decoded(waveform, Fingerprint(name, 1))

        return decode


@pytest.fixture
def recordings():
    return Recordings()


def read(shared, recordings, name):
    found = shared.read(name, recordings.decoder(name))
    assert found.fingerprint == Fingerprint(name, 1)
    assert (found.waveform == float(name)).all()
    found.waveform[:] = -1  # an encoder may do what it likes with what it is given
    return found


def test_each_is_decoded_once_and_dropped_with_its_last_reader(recordings):
    shared = SharedAudio([["1", "2"], ["1", "2"], ["2"]], ROOMY)
    for names in ("1", "2"), ("1", "2"), ("2",):
        for name in names:
            read(shared, recordings, name)
    assert recordings.counts == {"1": 1, "2": 1}
    assert (shared.num_decoded, shared.num_bytes) == (2, 0)


def test_what_only_one_reads_is_not_kept(recordings):
    shared = SharedAudio([["1"], ["2"]], ROOMY)
    read(shared, recordings, "1")
    assert shared.num_bytes == 0


def test_beyond_the_budget_nothing_is_kept(recordings):
    shared = SharedAudio([["1", "2", "3"]] * 2, max_bytes=2 * SIZE)
    for name in "123":
        read(shared, recordings, name)
    assert shared.num_bytes == 2 * SIZE
    for name in "123":
        read(shared, recordings, name)
    assert recordings.counts == {"1": 1, "2": 1, "3": 2}
    assert shared.num_bytes == 0


def test_what_another_process_has_encoded_is_not_waited_for(recordings):
    shared = SharedAudio([["1", "2"]] * 2, ROOMY)
    read(shared, recordings, "1")
    shared.leave_out(["1", "2"])
    assert shared.num_bytes == 0
    read(shared, recordings, "2")
    assert shared.num_bytes == 0


def test_a_broken_recording_is_tried_once():
    shared, tries = SharedAudio([["1"]] * 2, ROOMY), []

    def decode():
        tries.append(1)
        return Decoded(None, None, "no audio")

    found = [shared.read("1", decode) for _ in range(2)]
    assert [one.reason for one in found] == ["no audio"] * 2
    assert len(tries) == 1


@given(
    num_readers=st.integers(1, 4),
    max_bytes=st.integers(0, 6 * SIZE),
    order=st.permutations([(reader, str(name)) for reader in range(4) for name in range(5)]),
)
def test_in_any_order_memory_is_bounded_and_given_back(num_readers, max_bytes, order):
    names = [str(name) for name in range(5)]
    shared, recordings = SharedAudio([names] * num_readers, max_bytes), Recordings()
    for reader, name in order:
        if reader < num_readers:
            read(shared, recordings, name)
            assert shared.num_bytes <= max_bytes
    assert shared.num_bytes == 0
    if max_bytes >= 5 * SIZE:
        assert recordings.counts == dict.fromkeys(names, 1)


def test_threads_may_read_at_the_same_time(recordings):
    names = [str(number) for number in range(200)]
    shared = SharedAudio([names] * 4, ROOMY)

    def read_all():
        for name in names:
            read(shared, Recordings(), name)

    threads = [threading.Thread(target=read_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shared.num_bytes == 0
