"""Heads over frames after training: kept as arrays, restored bit by bit."""

import json

import numpy as np
import pytest

from tokser.errors import InputError, RunError
from tokser.experiments.heads.frames import groups
from tokser.experiments.heads.frames.fold import frame_fold
from tokser.experiments.heads.head import Choice, Fitting
from tokser.experiments.heads.registry import HEADS, restore_head

FRAME_HEADS = ("superb", "emobox", "attentive", "transformer", "cross-attention")


@pytest.fixture(params=FRAME_HEADS, scope="module")
def fold(request, make_data):
    """The data and what a fold left."""
    data = make_data((2, 1), attention_heads=2, ensemble=2)
    fitted, *_ = HEADS[request.param].fit(data, Fitting())
    return data, fitted.fitted


def again(trained):
    from safetensors.numpy import load, save

    arrays = load(save({n: np.ascontiguousarray(a) for n, a in trained.arrays().items()}))
    return restore_head(trained.kind, json.loads(json.dumps(trained.description())), arrays)


def test_a_restored_head_puts_out_the_same_bits(fold):
    data, fitted = fold
    ids = data.splits[0].test

    def batches():
        read = [term.read(ids) for term in data.frames]
        return fitted.head.standardised(fitted.scaling, read)

    restored = again(fitted.head)
    expected = fitted.head.frame_outputs(batches())
    np.testing.assert_array_equal(restored.frame_outputs(batches()), expected)
    np.testing.assert_allclose(fitted.predict(data, ids), expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(expected.sum(axis=1), 1, rtol=1e-5)
    assert restored.num_features == 2 * 6 + 7
    assert restored.num_outputs == 3


def test_frames_that_are_not_finite_are_named(make_data):
    fitted, *_ = HEADS["emobox"].fit(make_data(), Fitting())
    data = make_data()
    (name, *_), layer = data.splits[0].test, data.frames[0].layers[0]
    layer[name][0, 1] = np.nan
    with pytest.raises(InputError, match=f"{name}: expected finite frames, got NaN"):
        fitted.fitted.predict(data, data.splits[0].test)
    with pytest.raises(RunError, match="expected weights that stay finite, got NaN"):
        list(HEADS["emobox"].fit(data, Fitting()))


def test_too_little_memory_names_what_needs_less(make_data, monkeypatch):
    def fail(*args, **options):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to")

    monkeypatch.setattr(groups, "train_points", fail)
    with pytest.raises(RunError, match=r"--grid batch_size=8.*--frames-mb"):
        list(HEADS["emobox"].fit(make_data(), Fitting()))


def test_frames_are_scaled_as_in_training(fold):
    data, fitted = fold
    own = frame_fold(data, 0, with_dev=True)
    ids = data.splits[0].test
    found = fitted.head.standardised(fitted.scaling, [term.read(ids) for term in data.frames])
    for batch, expected in zip(found, own.read(ids), strict=True):
        np.testing.assert_array_equal(batch.rows, expected.rows)


def test_arrays_that_do_not_fit_are_noticed(fold):
    trained = fold[1].head
    for name, array in trained.arrays().items():
        absent = {key: own for key, own in trained.arrays().items() if key != name}
        with pytest.raises((LookupError, ValueError)):
            restore_head(trained.kind, trained.description(), absent)
        wide = trained.arrays() | {name: np.concatenate([array, array])}
        with pytest.raises(ValueError, match=r"another shape or type"):
            restore_head(trained.kind, trained.description(), wide)


def test_functionals_are_means_of_layers_for_superb_alone(make_data):
    data = make_data((2, 1), are_means=True)
    fitted, *_ = HEADS["superb"].fit(data, Fitting())
    ids = data.splits[0].test
    layers = [layer for term in data.frames for layer in term.layers]
    means = [[layer[name].mean(axis=0) for name in ids] for layer in layers]
    by_functionals = fitted.fitted.outputs(np.concatenate([np.stack(m) for m in means], axis=1))
    np.testing.assert_allclose(by_functionals, fitted.fitted.predict(data, ids), rtol=1e-4)
    with_frames, *_ = HEADS["emobox"].fit(make_data(), Fitting())
    with pytest.raises(TypeError, match="emobox reads frames"):
        with_frames.fitted.outputs(np.zeros((2, 6), np.float32))


def test_everything_is_fitted_with_what_was_chosen(make_data):
    data = make_data((2,))
    whole = HEADS["attentive"].fit_all(data, Choice(1, epochs=3))
    ids = list(data.functionals.index)
    same = HEADS["attentive"].fit_all(data, Choice(1, epochs=3))
    np.testing.assert_array_equal(whole.predict(data, ids), same.predict(data, ids))
    scaling = data.frames[0].scaling(ids)
    np.testing.assert_array_equal(whole.scaling.mean, scaling.mean.reshape(-1))
