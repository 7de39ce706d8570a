import pytest
import torch

from tokser.experiments.heads.frames import products
from tokser.experiments.heads.frames.products import product
from tokser.experiments.heads.frames.ragged import linear


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=["with-onednn", "without-onednn"], autouse=True)
def with_and_without_onednn(request, monkeypatch):
    if request.param == "without-onednn":
        monkeypatch.setattr(products.onednn, "LINEAR", None)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bias", [None, (7,), (6, 1)], ids=["no-bias", "of-columns", "of-rows"])
def test_product_is_that_of_torch(dtype, bias):
    left, right = drawn(6, 5).to(dtype), drawn(5, 7, seed=1).to(dtype)
    added = None if bias is None else drawn(*bias, seed=2).to(dtype)
    expected = left.double() @ right.double() + (0 if added is None else added.double())
    torch.testing.assert_close(product(left, right, added), expected.to(dtype))


def test_transposed_matrices_are_multiplied_as_they_are():
    left, right = drawn(5, 6).T, drawn(7, 5, seed=1).T
    torch.testing.assert_close(product(left, right), left @ right)


@pytest.mark.parametrize("shared", [1, 3], ids=["shared-rows", "rows-of-each"])
def test_gradients_in_float32_are_those_of_the_plain_form(shared):
    inputs = [drawn(shared, 8, 5), drawn(3, 5, 20, seed=1), drawn(3, 1, 20, seed=2)]
    inputs = [values.requires_grad_() for values in inputs]
    rows, weight, bias = inputs
    error = drawn(3, 8, 20, seed=3)
    expected = torch.autograd.grad(rows @ weight + bias, inputs, error)
    found = torch.autograd.grad(linear(rows, weight, bias), inputs, error)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("models", [1, 3])
def test_products_are_those_of_each_model(models, dtype):
    left, right = drawn(models, 5, 6).to(dtype).mT, drawn(models, 5, 7, seed=1).to(dtype)
    bias = drawn(models, 1, 7, seed=2).to(dtype)
    for added in (None, bias):
        expected = left.double() @ right.double() + (0 if added is None else added.double())
        torch.testing.assert_close(products.products(left, right, added), expected.to(dtype))
