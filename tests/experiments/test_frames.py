import pickle

import numpy as np
import pandas as pd
import pytest

from tokser.config import PoolSettings
from tokser.experiments.frames import TermFrames, _HeldRows, _is_mapped
from tokser.stages.pool import pool
from tokser.store import open_store


@pytest.fixture(scope="module")
def layer(made_layer):
    rng = np.random.default_rng(0)
    ids = [f"utt{i}" for i in range(9)]
    return made_layer(pd.DataFrame(3 + rng.normal(size=(9, 4)), index=ids))


def test_scaling_is_mean_and_deviation_of_all_frames(layer):
    ids = layer.ids[:6]
    rows = np.concatenate([layer[name] for name in ids]).astype(np.float64)
    scaling = TermFrames((layer,)).scaling(ids)
    np.testing.assert_allclose(scaling.mean[0], rows.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(scaling.scale[0], rows.std(axis=0), rtol=1e-6)
    batch = scaling.apply(TermFrames((layer,)).read(ids))
    assert abs(batch.rows[0].mean(dim=0)).max() < 1e-5
    assert abs(batch.rows[0].std(dim=0, correction=0) - 1).max() < 1e-5


def test_batches_hold_frames_one_utterance_after_the_other(layer):
    batch = TermFrames((layer, layer)).read(["utt2", "utt3"])
    assert batch.lengths == (5, 1)
    for rows in batch.rows:
        expected = np.concatenate([layer["utt2"], layer["utt3"]])
        np.testing.assert_array_equal(rows.numpy(), expected)


def test_means_stand_for_frames(layer):
    term = TermFrames((layer,), are_means=True)
    batch = term.read(["utt2", "utt3"])
    assert batch.lengths == (1, 1)
    np.testing.assert_allclose(batch.rows[0, 0], layer["utt2"].mean(axis=0), rtol=1e-6)
    counted_alike = term.scaling(layer.ids).mean[0]
    means = [layer[name].mean(axis=0) for name in layer.ids]
    np.testing.assert_allclose(counted_alike, np.mean(means, axis=0), rtol=1e-6)


def test_what_only_rounding_varies_is_0_for_everybody(made_layer):
    table = pd.DataFrame(np.full((6, 2), [7.0, 1.0]), index=[f"utt{i}" for i in range(6)])
    layer = made_layer(table)
    for rows in layer.rows.values():
        rows[:, 0] = 7.0
    scaling = TermFrames((layer,), roundoff=2**-11).scaling(layer.ids)
    assert scaling.num_constant == 1
    rows = scaling.apply(TermFrames((layer,)).read(layer.ids)).rows
    assert (rows[0, :, 0] == 0).all()
    assert (rows[0, :, 1] != 0).any()


def test_each_speaker_can_be_scaled_alone(layer):
    speakers = pd.Series(["a", "b", "c"] * 3, index=layer.ids)
    term = TermFrames((layer,), speakers=speakers)
    own = list(speakers.index[speakers == "b"])
    rows = term.read(own).rows[0]
    assert abs(rows.mean(dim=0)).max() < 1e-5
    assert abs(rows.std(dim=0, correction=0) - 1).max() < 1e-4
    scaling = term.scaling(layer.ids)
    np.testing.assert_allclose(scaling.mean, 0, atol=1e-6)
    np.testing.assert_allclose(scaling.scale, 1, rtol=1e-4)


def test_rows_that_are_not_mapped_are_read_once_while_they_fit(layer):
    reads = []

    class Counted(type(layer)):
        def ragged(self, utterances, allocate=np.empty):
            reads.append(list(utterances))
            return super().ragged(utterances, allocate)

    counted = Counted.__new__(Counted)
    counted.__dict__ = layer.__dict__
    held = _HeldRows(counted, budget_bytes=layer["utt4"].nbytes)
    for _ in range(2):
        rows = held.ragged(["utt4", "utt3", "utt4"]).rows
        expected = np.concatenate([layer[name] for name in ("utt4", "utt3", "utt4")])
        np.testing.assert_array_equal(rows, expected)
    assert reads == [["utt4", "utt3"], ["utt3"]]
    assert not _is_mapped(layer["utt4"])


@pytest.mark.slow
def test_frames_of_a_store_are_mapped_and_travel_to_workers(stores):
    table = stores.manifest(4)
    opened = stores.complete(table, stores.plan(table, features={"layer-1": 5}))
    pool(PoolSettings(store=opened.path))
    layer = open_store(opened.path)["whisper-tiny/layer-1"]
    assert _is_mapped(layer[layer.ids[0]])
    term = TermFrames((layer,))
    there = pickle.loads(pickle.dumps(term))
    np.testing.assert_array_equal(there.read(layer.ids).rows, term.read(layer.ids).rows)
    expected = np.concatenate([layer[name] for name in layer.ids]).astype(np.float32)
    np.testing.assert_array_equal(term.read(layer.ids).rows[0].numpy(), expected)
