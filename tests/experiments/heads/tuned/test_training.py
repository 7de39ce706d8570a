"""Training from a stored layer is training of the encoder with its lower blocks frozen."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from tokser.errors import InputError, RunError
from tokser.experiments.heads.frames.fold import frame_fold
from tokser.experiments.heads.tuned.blocks import trained_parameters
from tokser.experiments.heads.tuned.training import TuningRun, rate_share

ENCODERS = ("tiny-whisper", "tiny-wavlm", "tiny-wavlm-large", "tiny-bert")


def run_of(made, rate=1e-3):
    fold = frame_fold(made.data, 0)
    recipe = made.head._recipe(made.data)
    scaling = made.head._moments_of(made.data).scaling(fold.train.ids)
    return TuningRun(recipe, fold, scaling, rate), fold


def last_states(encoder, inputs):
    """The encoder's last hidden state by transformers' own modules, each utterance alone."""
    model = encoder._model
    if encoder.kind == "text":
        return [model(torch.from_numpy(one).long()[None]).last_hidden_state[0] for one in inputs]
    if "whisper" in encoder.name:
        prepared = [encoder.prepare([one]) for one in inputs]
        found = []
        for one in prepared:
            states = functional.gelu(model.conv2(functional.gelu(model.conv1(one.given))))
            states = states.transpose(1, 2)
            states = states + model.embed_positions.weight[: states.shape[1]]
            for block in model.layers:
                states = block(states, None)
            found.append(model.layer_norm(states)[0])
        return found
    found = []
    for one in inputs:
        waveform = encoder._normalised(one)[None]
        model.feature_extractor.lengths = [waveform.shape[1]]
        model.encoder.pos_conv_embed.lengths = [encoder.num_frames(waveform.shape[1])]
        found.append(model(waveform).last_hidden_state[0])
    return found


def upper_parameters(encoder, first):
    model = encoder._model
    is_deep = hasattr(model, "encoder")
    layers = (
        model.encoder.layer
        if encoder.kind == "text"
        else (model.encoder.layers if is_deep else model.layers)
    )
    return dict(layers[first:].named_parameters(prefix="blocks"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ENCODERS)
def test_gradients_are_those_of_the_whole_encoder(tuned, name):
    made = tuned(name, first=1, probe_first=False)
    run, fold = run_of(made)
    target = fold.train.target
    batch = run._read(fold.train.ids)
    loss = run._loss(run._model.outputs(run._parameters, batch, lambda values: values), target)
    loss.backward()
    own = trained_parameters(run._model.blocks)
    # The plain loop: the whole encoder from its inputs, the blocks below frozen.
    upper = upper_parameters(made.encoder, 1)
    try:
        for values in upper.values():
            values.requires_grad_(True)
        states = last_states(made.encoder, made.inputs[:6])
        mean, scale = (
            torch.from_numpy(a[0]).float()
            for a in (run._model.scaling.mean, run._model.scaling.scale)
        )
        scaled = [(one - mean) / scale for one in states]
        pooled = torch.stack(
            [
                torch.cat([one.mean(0), one.var(0, correction=0).clamp(min=1e-5).sqrt()])
                for one in scaled
            ]
        )
        pooled = (pooled - run._model.pooled.centre[0]) * run._model.pooled.inverse[0]
        head = run._parameters
        outputs = pooled @ head["output.weight"][0].detach() + head["output.bias"][0].detach()
        expected = functional.cross_entropy(outputs, target)
        expected.backward()
        assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-4)
        compared = 0
        for key, values in upper.items():
            if values.grad is None:
                assert own[key].grad is None or not own[key].grad.any(), key
                continue
            size = values.grad.norm() + 1e-6
            assert (own[key].grad - values.grad).norm() < 1e-4 * max(size, 1e-2), key
            compared += 1
        assert compared > 10
    finally:
        made.encoder._model.requires_grad_(False)
        for values in upper.values():
            values.grad = None


@pytest.mark.parametrize("name", ENCODERS)
def test_a_rate_of_zero_leaves_the_layers_as_they_are(tuned, name):
    made = tuned(name, blocks_rates=(0.0,), probe_first=False)
    run, _ = run_of(made, rate=0.0)
    run.train_epoch(1)
    batch = run._read(made.ids)
    layers = run._model.blocks.eval().ragged(batch.rows[0], batch.lengths)
    for number, rows in layers.items():
        expected = np.concatenate([one[number] for one in made.found])
        np.testing.assert_allclose(rows.detach().numpy(), expected, atol=2e-4 * abs(expected).max())


def test_blocks_learn_more_slowly_the_lower_they_are(tuned):
    made = tuned("tiny-wavlm-large", layer_decay=0.5)
    run, _ = run_of(made, rate=1e-2)
    rates = {
        id(values): group["lr"]
        for group in run._optimiser.param_groups
        for values in group["params"]
    }
    found = {n: rates[id(v)] for n, v in trained_parameters(run._model.blocks).items()}
    assert {r for n, r in found.items() if n.startswith("blocks.1.")} == {1e-2}
    assert {r for n, r in found.items() if n.startswith("blocks.0.")} == {5e-3}
    assert {r for n, r in found.items() if n.startswith("final_norm")} == {1e-2}
    assert rates[id(run._parameters["output.weight"])] == made.settings.head_rate
    decayed = {g["weight_decay"] for g in run._optimiser.param_groups}
    assert decayed == {0.0, made.settings.frame_heads.weight_decay}


def test_gradient_checkpointing_trains_the_same(tuned):
    found = []
    for saves in (False, True):
        run, _ = run_of(tuned("tiny-wavlm", gradient_checkpointing=saves))
        run.train_epoch(1)
        found.append(run.weights())
    for key, values in found[0].blocks.items():
        torch.testing.assert_close(found[1].blocks[key], values, rtol=1e-4, atol=1e-6)


def test_bf16_trains_about_the_same(tuned):
    made = tuned("tiny-whisper", precision="bf16")
    run, fold = run_of(made)
    run.train_epoch(1)
    outputs = run.outputs(fold.dev.ids)
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-5)


def test_utterances_of_one_frame_are_trained_on(tuned):
    made = tuned("tiny-whisper", spoil=lambda rows: {n: own[:1] for n, own in rows.items()})
    run, fold = run_of(made)
    run.train_epoch(1)
    assert np.isfinite(run.outputs(fold.dev.ids)).all()


def test_activations_that_are_not_finite_name_the_utterance(tuned):
    def spoil(rows):
        rows = {name: own.copy() for name, own in rows.items()}
        rows["u04"][1, 3] = np.nan
        return rows

    made = tuned("tiny-whisper", spoil=spoil)
    with pytest.raises(InputError, match=r"tiny-whisper/layer-1, u04: expected finite"):
        run_of(made)


def test_a_loss_that_explodes_names_the_rates(tuned):
    made = tuned("tiny-whisper", head_rate=1e30, warm_up=0.0)
    run, _ = run_of(made, rate=1e30)
    with pytest.raises(RunError, match="Lower --blocks-lr or --head-lr"):
        for epoch in (1, 2):
            run.train_epoch(epoch)


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory: 9 GB")],
)
def test_too_little_memory_names_what_saves_it(tuned, monkeypatch, error):
    run, _ = run_of(tuned("tiny-whisper"))

    def fail(*arguments):
        raise error

    monkeypatch.setattr(run._model.blocks, "forward", fail)
    with pytest.raises(RunError, match="Lower --batch-size, add --gradient-checkpointing"):
        run.train_epoch(1)


def test_the_rate_rises_and_falls():
    shares = [rate_share(position, 10, 2.0) for position in (0.0, 1.0, 2.0, 6.0, 10.0)]
    assert shares == pytest.approx([0, 0.45, 0.8, 0.4, 0])
    assert rate_share(0.0, 10, 0.0) == 1
