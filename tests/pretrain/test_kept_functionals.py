"""Functionals that aligned tokens must predict beside the teacher; docs/pretraining.md shows it."""

import numpy as np
import pandas as pd
import pytest
import torch

from tokser.config import PoolSettings
from tokser.errors import SettingsError
from tokser.pretrain.checkpoint import load_aligner
from tokser.pretrain.kept_functionals import KeptFunctionals, token_functionals
from tokser.stages.pool import pool
from tokser.stages.pretrain import pretrain


def test_functionals_of_tokens_are_those_of_each_utterance():
    torch.manual_seed(0)
    rows, lengths = torch.randn(7, 3, dtype=torch.float64), torch.tensor([2, 1, 4])
    found = token_functionals(rows, lengths)
    for own, vector in zip(rows.split(lengths.tolist()), found, strict=True):
        mean, std = own.mean(dim=0), own.std(dim=0, correction=0)
        expected = torch.cat([mean, std.clamp(min=1e-3)])
        torch.testing.assert_close(vector, expected)


def test_a_single_token_has_a_finite_gradient():
    rows = torch.randn(3, 2, requires_grad=True)
    token_functionals(rows, torch.tensor([1, 2])).sum().backward()
    assert rows.grad.isfinite().all()


def test_the_loss_is_the_error_on_the_scale_of_the_training_part():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(3, 5, size=(4, 6)), index=["a", "b", "c", "d"])
    kept = KeptFunctionals(table, ["a", "b", "c"], 2)
    aligned, lengths = torch.randn(5, 2), torch.tensor([3, 2])
    train = table.loc[["a", "b", "c"]].to_numpy()
    scaled = (table.loc[["d", "a"]].to_numpy() - train.mean(axis=0)) / train.std(axis=0)
    predicted = kept.map(token_functionals(aligned, lengths))
    expected = (predicted - torch.from_numpy(scaled).float()).square().mean()
    torch.testing.assert_close(kept(["d", "a"], aligned, lengths), expected)


@pytest.mark.slow
def test_an_aligner_that_keeps_is_another_and_aligns_as_any(toy, toy_store, run, tmp_path):
    store = toy_store(tmp_path / "toy.zarr").write()
    feature = "whisper-toy/layer-6"
    wanted = store.settings(tmp_path / "kept", epochs=2, keep=feature)
    with pytest.raises(SettingsError, match="tokser pool"):
        pretrain(wanted)
    pool(PoolSettings(store=str(store.path), features=(feature,)))
    kept, description = load_aligner(pretrain(wanted))
    plain, _ = load_aligner(pretrain(store.settings(tmp_path / "plain", epochs=2)))
    assert description.features.keys() == {"speech", "teacher", "queries"}
    assert kept.state_dict().keys() == plain.state_dict().keys()
    assert any(
        not torch.equal(values, plain.state_dict()[name])
        for name, values in kept.state_dict().items()
    )
