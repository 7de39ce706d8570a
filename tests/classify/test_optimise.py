import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import ReduceLROnPlateau

from tokser.classify.optimise import Plateau, StackedAdam

SHAPES = ((4, 3), (1, 3))
RATES = (1e-3, 5e-3, 1e-2)

# Values close to each other are drawn often, so that the relative threshold matters.
scores = st.one_of(
    st.sampled_from([0.0, 0.5, 0.50004, 0.50006, 0.5001, 1 / 3, 1.0]), st.floats(0, 1)
)


def test_it_is_torchs_adam_for_each_model_and_leaves_idle_models_where_they_are():
    torch.manual_seed(0)
    stack = [torch.randn(3, *shape) for shape in SHAPES]
    alone = [[p[model].clone().requires_grad_() for p in stack] for model in range(3)]
    peers = [torch.optim.Adam(ps, lr=lr) for ps, lr in zip(alone, RATES, strict=True)]
    adam = StackedAdam(stack)
    for step in range(30):
        gradients = [torch.randn_like(p) for p in stack]
        is_active = [True, step % 3 != 2, step < 10]
        adam.step(gradients, RATES, is_active)
        for model, peer in enumerate(peers):
            if is_active[model]:
                for parameter, gradient in zip(alone[model], gradients, strict=True):
                    parameter.grad = gradient[model].clone()
                peer.step()
        for model in range(3):
            for stacked, single in zip(stack, alone[model], strict=True):
                torch.testing.assert_close(stacked[model], single.detach(), rtol=1e-6, atol=1e-7)


def test_a_learning_rate_may_change_between_steps():
    stack = [torch.zeros(2, 1, 1)]
    adam = StackedAdam(stack)
    adam.step([torch.ones(2, 1, 1)], [0.1, 0.1], [True, True])
    adam.step([torch.ones(2, 1, 1)], [0.1, 0.0], [True, True])
    torch.testing.assert_close(stack[0].ravel(), torch.tensor([-0.2, -0.1]))


def test_it_moves_parameters_that_require_gradients():
    stack = [torch.zeros(2, 1, 1, requires_grad=True)]
    StackedAdam(stack).step([torch.ones(2, 1, 1)], [0.1, 0.2], [True, True])
    torch.testing.assert_close(stack[0].detach().ravel(), torch.tensor([-0.1, -0.2]))
    assert stack[0].requires_grad


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
