import numpy as np
import pytest
import torch

from tokser.errors import InputError
from tokser.pretrain import preload
from tokser.pretrain.batches import Pairs

IDS = [f"u{i}" for i in range(7)]


@pytest.fixture
def pairs(memory) -> Pairs:
    rng = np.random.default_rng(0)

    def feature(name, dim, least):
        rows = {u: rng.normal(size=(i + least, dim)).astype(np.float16) for i, u in enumerate(IDS)}
        return memory(name, rows)

    speech = tuple(feature(f"w/layer-{i}", 6, 4) for i in range(2))
    return Pairs(speech, feature("b/word", 4, 3), feature("b/contextual", 4, 3), False)


def test_batches_from_memory_are_those_of_the_store(pairs, monkeypatch):
    monkeypatch.setattr(preload, "_AT_ONCE", 2)
    held = preload.preloaded(pairs, IDS[1:], torch.device("cpu"))
    assert held.ids() == IDS[1:]
    wanted = ["u5", "u1", "u6"]
    found, expected = held.gather(wanted), pairs.gather(wanted)
    assert found.ids == expected.ids
    torch.testing.assert_close(found.teacher, expected.teacher, rtol=0, atol=0)
    for a, b in zip(found.inputs, expected.inputs, strict=True):
        assert a.dtype == b.dtype
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_what_does_not_fit_is_refused_with_both_sizes(pairs, monkeypatch):
    monkeypatch.setattr(preload, "_free_bytes", lambda device: 100)
    with pytest.raises(InputError, match=r"--preload ram: .*0\.0 GB free.*Leave --preload out"):
        preload.preloaded(pairs, IDS, torch.device("cpu"))


def test_free_memory_is_more_than_nothing():
    assert preload._free_bytes(torch.device("cpu")) > 1e6
