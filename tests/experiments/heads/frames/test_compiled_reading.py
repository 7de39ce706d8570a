import numpy as np
import pandas as pd
import pytest
import torch

from tokser.experiments.frames import FrameScaling, TermFrames, _is_mapped
from tokser.experiments.heads.frames.compiled_statistics import compile_statistics, has_compiler
from tokser.store import open_store

pytestmark = pytest.mark.skipif(not has_compiler(), reason="no numba, or no AVX-512")
DIM = 5


def read_compiled(*arguments):
    from tokser.experiments.heads.frames.compiled_reading import read_compiled as read

    compile_statistics()
    return read(*arguments)


def scaling_of(layers=1):
    rng = np.random.default_rng(0)
    scale = rng.uniform(0.5, 2, size=(layers, DIM))
    scale[:, 1] = np.inf
    return FrameScaling(rng.normal(size=(layers, DIM)), scale)


def assert_same_bits(term, ids, scaling=None):
    scaling = scaling or scaling_of()
    expected = scaling.apply(term.read(ids))
    for precision in (torch.float32, torch.bfloat16):
        found = read_compiled(term, scaling, ids, precision)
        assert found.lengths == expected.lengths
        assert torch.equal(found.rows, expected.rows)
        assert torch.equal(found.rounded, expected.rows[0].to(precision))


@pytest.fixture
def layer(made_layer):
    rng = np.random.default_rng(1)
    return made_layer(pd.DataFrame(rng.normal(size=(9, DIM)), index=[f"utt{i}" for i in range(9)]))


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_the_same_bits_as_by_torch(layer, kind):
    for name, rows in layer.rows.items():
        layer.rows[name] = rows.astype(kind)
    layer.rows["utt3"][0, :3] = (np.inf, 0, 6e-8)
    assert_same_bits(TermFrames((layer,)), ["utt4", "utt3", "utt8", "utt3"])


def test_frames_in_a_map_are_read_and_stay_as_they_are(stores):
    table = stores.manifest(4)
    opened = stores.complete(table, stores.plan(table, features={"layer-1": DIM}))
    mapped = open_store(opened.path)["whisper-tiny/layer-1"]
    first = mapped[mapped.ids[0]]
    before = first.copy()
    assert _is_mapped(first)
    assert_same_bits(TermFrames((mapped,)), mapped.ids[::-1])
    np.testing.assert_array_equal(mapped[mapped.ids[0]], before)


def test_other_terms_are_read_by_torch(layer):
    speakers = pd.Series([f"s{i % 2}" for i in range(9)], index=layer.ids)
    terms = {
        1: (TermFrames((layer,), are_means=True), TermFrames((layer,), speakers=speakers)),
        2: (TermFrames((layer, layer)),),
    }
    for layers, own in terms.items():
        scaling = scaling_of(layers)
        for term in own:
            found = read_compiled(term, scaling, layer.ids, torch.bfloat16)
            assert torch.equal(found.rows, scaling.apply(term.read(layer.ids)).rows)
            assert found.rounded is None
