"""Batches by one thread each: in order, bounded, and with the weights loaded once."""

import threading
import time

import pytest

from tokser.extraction.batch_encoder import BatchEncoder
from tokser.extraction.extractor import Extractor
from tokser.extraction.feature_specs import FeatureSpecs
from tokser.extraction.load_batches import LoadedBatch
from tokser.threads import num_threads, use_threads


class Encoder:
    """Takes its time, and counts how many batches it computes at once."""

    kind, name, num_layers = "text", "slow", 2

    def __init__(self, takes_threads=True):
        self.loaded = self.now = self.most = 0
        self.threads, self.alone = set(), set()
        self._takes_threads, self._lock = takes_threads, threading.Lock()

    def takes_threads(self):
        self.loaded += 1
        return self._takes_threads

    def forward(self, prepared, layers, dtype):
        if prepared == "broken":
            raise ValueError(prepared)
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
            self.threads.add(threading.current_thread())
            self.alone.add(num_threads())
        time.sleep(0.002 * (prepared % 3))
        with self._lock:
            self.now -= 1
        return prepared, tuple(layers)


def encode(encoder, batches, number=3):
    extractor = Extractor(encoder, FeatureSpecs({"layer-2": 2}, "float16"), 120.0)
    found = []
    with (
        use_threads(number),
        BatchEncoder(lambda *one: found.append(one)) as batch_encoder,
    ):
        for key, batch in enumerate(batches):
            batch_encoder.submit(key, extractor, batch, [2])
            assert key - len(found) <= number + 1
        batch_encoder.finish()
    return found


def test_outputs_come_in_order_whoever_is_first():
    batches = [LoadedBatch([0], number) for number in range(20)]
    batches[3] = batches[7] = None
    encoder = Encoder()
    found = encode(encoder, batches)
    assert [key for key, *_ in found] == [*range(20)]
    assert [batch for _, batch, _ in found] == batches
    wanted = [None if batch is None else (batch.prepared, (2,)) for batch in batches]
    assert [output for *_, output in found] == wanted
    assert encoder.loaded == 1
    assert 1 < encoder.most <= 3
    assert encoder.alone == {1}
    assert not [one for one in threading.enumerate() if one.name.startswith("encode")]


def test_other_encoders_compute_in_the_calling_thread():
    encoder = Encoder(takes_threads=False)
    found = encode(encoder, [LoadedBatch([0], number) for number in range(5)])
    assert [output for *_, output in found] == [(number, (2,)) for number in range(5)]
    assert encoder.threads == {threading.main_thread()}


def test_encoders_of_other_packages_need_not_say(monkeypatch):
    monkeypatch.delattr(Encoder, "takes_threads")
    encoder = Encoder()
    assert [output for *_, output in encode(encoder, [LoadedBatch([0], 1)])] == [(1, (2,))]
    assert encoder.threads == {threading.main_thread()}


def test_an_empty_batch_loads_no_weights():
    encoder = Encoder()
    assert encode(encoder, [LoadedBatch(quarantined={0: "broken"})])[0][2] is None
    assert encoder.loaded == 0


def test_an_error_is_raised_where_the_output_would_come():
    batches = [LoadedBatch([0], 1), LoadedBatch([0], "broken"), LoadedBatch([0], 2)]
    with pytest.raises(ValueError, match="broken"):
        encode(Encoder(), batches)
