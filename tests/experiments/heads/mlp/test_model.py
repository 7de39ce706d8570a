import pytest
import torch

from tokser.experiments.heads.mlp.model import flatten, forward, initialise, run_blocks, unflatten

WIDTHS = (10, 8, 6, 4, 3)


def module_of(stack, model):
    """One model of a stack as torch's own layers."""
    layers = []
    for number in range(0, len(stack) - 2, 4):
        weight, bias, gain, shift = (p[model] for p in stack[number : number + 4])
        linear, norm = torch.nn.Linear(*weight.shape), torch.nn.LayerNorm(weight.shape[1])
        pairs = [(linear.weight, weight.T), (linear.bias, bias[0])]
        pairs += [(norm.weight, gain[0]), (norm.bias, shift[0])]
        layers += [linear, norm, torch.nn.ReLU(), pairs]
    weight, bias = stack[-2][model], stack[-1][model]
    last = torch.nn.Linear(*weight.shape)
    layers += [last, [(last.weight, weight.T), (last.bias, bias[0])]]
    for own, given in (pair for pairs in layers if isinstance(pairs, list) for pair in pairs):
        own.data.copy_(given)
    return torch.nn.Sequential(*(layer for layer in layers if not isinstance(layer, list)))


def test_each_model_is_that_of_torch_layers():
    stack = [p + 0.1 * torch.randn_like(p) for p in initialise(WIDTHS, [(0, 0), (0, 1), (0, 2)])]
    inputs = torch.randn(3, 5, 10)
    found = forward(stack, inputs)
    assert found.shape == (3, 5, 3)
    for model in range(3):
        torch.testing.assert_close(found[model], module_of(stack, model)(inputs[model]))


def test_without_hidden_layers_it_is_one_linear():
    stack = initialise((4, 3), [(0, 0)])
    inputs = torch.randn(1, 2, 4)
    torch.testing.assert_close(forward(stack, inputs), inputs @ stack[0] + stack[1])


def test_equal_seeds_give_equal_models_wherever_they_stand():
    one, other = (0, 7), (0, 8)
    both, alone = initialise(WIDTHS, [other, one, one]), initialise(WIDTHS, [one])
    for together, single in zip(both, alone, strict=True):
        assert torch.equal(together[1], single[0])
        assert torch.equal(together[2], single[0])
    assert not torch.equal(both[0][0], both[0][1])


def test_weights_are_spread_as_torch_spreads_them():
    stack = initialise((400, 300, 200, 7), [(0, 0)])
    torch.manual_seed(0)
    for (weight, bias), wide in (((stack[0], stack[1]), 400), ((stack[4], stack[5]), 300)):
        peer = torch.nn.Linear(wide, weight.shape[2])
        assert weight.abs().max() <= wide**-0.5
        assert weight.std().item() == pytest.approx(peer.weight.std().item(), rel=0.02)
        assert bias.std().item() == pytest.approx(peer.bias.std().item(), rel=0.15)
    assert stack[2].eq(1).all() and stack[3].eq(0).all()


def test_drawing_leaves_the_global_generator_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    initialise(WIDTHS, [(1, 2)])
    assert torch.equal(torch.rand(3), expected)


def test_rows_cut_into_parameters_share_their_memory():
    stack = initialise(WIDTHS, [(0, 0), (0, 1)])
    rows = flatten(stack)
    assert rows.shape == (2, sum(p[0].numel() for p in stack))
    again = unflatten(rows, stack)
    for parameter, cut in zip(stack, again, strict=True):
        assert torch.equal(parameter, cut)
        assert cut.untyped_storage().data_ptr() == rows.untyped_storage().data_ptr()
    inputs = torch.randn(2, 5, 10)
    torch.testing.assert_close(forward(again, inputs), forward(stack, inputs))


def test_a_block_keeps_normed_rows_and_their_scales():
    stack = initialise(WIDTHS, [(0, 0)])
    for number, block in enumerate(run_blocks(stack, torch.randn(1, 5, 10))):
        linear = block.inputs @ stack[4 * number] + stack[4 * number + 1]
        scale = 1 / (linear.var(dim=-1, correction=0, keepdim=True) + 1e-5).sqrt()
        torch.testing.assert_close(block.scale, scale)
        torch.testing.assert_close(
            block.normed, (linear - linear.mean(dim=-1, keepdim=True)) * scale
        )
