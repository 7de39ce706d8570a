import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import ReduceLROnPlateau

from tokser.experiments.heads.mlp.optimise import BatchedAdam, Plateau

RATES = (1e-3, 5e-3, 1e-2)

# Values close to each other are drawn often, so that the relative threshold matters.
scores = st.one_of(
    st.sampled_from([0.0, 0.5, 0.50004, 0.50006, 0.5001, 1 / 3, 1.0]), st.floats(0, 1)
)


def step(adam, gradients, rates, is_active):
    adam.gradients.copy_(torch.as_tensor(gradients))
    adam.step(rates, is_active)


def test_it_is_torchs_adam_and_idle_models_stay():
    torch.manual_seed(0)
    rows = torch.randn(3, 17)
    alone = [row.clone().requires_grad_() for row in rows]
    peers = [torch.optim.Adam([row], lr=lr) for row, lr in zip(alone, RATES, strict=True)]
    adam = BatchedAdam(rows)
    for number in range(30):
        gradients = torch.randn_like(rows)
        is_active = [True, number % 3 != 2, number < 10]
        step(adam, gradients, RATES, is_active)
        for model, peer in enumerate(peers):
            if is_active[model]:
                alone[model].grad = gradients[model].clone()
                peer.step()
            torch.testing.assert_close(rows[model], alone[model].detach(), rtol=1e-6, atol=1e-7)


def test_a_learning_rate_may_change_between_steps():
    rows = torch.zeros(2, 1)
    adam = BatchedAdam(rows)
    step(adam, [[1.0], [1.0]], [0.1, 0.1], [True, True])
    step(adam, [[1.0], [1.0]], [0.1, 0.0], [True, True])
    torch.testing.assert_close(rows.ravel(), torch.tensor([-0.2, -0.1]))


def test_gradients_of_an_idle_model_are_ignored():
    rows = torch.zeros(2, 1)
    adam = BatchedAdam(rows)
    step(adam, [[1.0], [float("nan")]], [0.1, 0.1], [True, False])
    step(adam, [[1.0], [1.0]], [0.1, 0.2], [True, True])
    torch.testing.assert_close(rows.ravel(), torch.tensor([-0.2, -0.2]))


@given(
    rounds=st.lists(st.tuples(scores, scores), max_size=40),
    patience=st.integers(0, 4),
    factor=st.sampled_from([0.1, 0.5, 0.9]),
)
def test_the_plateau_is_torchs_for_each_model(rounds, patience, factor):
    starts = (1e-3, 3e-8)  # the second soon reaches the smallest change
    optimisers = [torch.optim.SGD([torch.zeros(1)], lr=start) for start in starts]
    peers = [
        ReduceLROnPlateau(optimiser, mode="max", factor=factor, patience=patience)
        for optimiser in optimisers
    ]
    plateau = Plateau(np.array(starts), factor=factor, patience=patience)
    for values in rounds:
        plateau.step(np.array(values))
        for peer, value in zip(peers, values, strict=True):
            peer.step(value)
        expected = [optimiser.param_groups[0]["lr"] for optimiser in optimisers]
        assert plateau.learning_rates.tolist() == expected


def test_the_learning_rate_falls_after_more_than_ten_flat_epochs():
    plateau = Plateau(np.array([1e-3]), factor=0.1, patience=10)
    seen = []
    for _ in range(13):
        plateau.step(np.array([0.5]))
        seen.append(plateau.learning_rates[0])
    assert seen == [1e-3] * 11 + [1e-3 * 0.1] * 2
