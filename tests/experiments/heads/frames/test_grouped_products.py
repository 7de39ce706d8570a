import pytest
import torch

from tokser.experiments.heads.frames import grouped_products
from tokser.experiments.heads.frames.grouped_products import (
    frames_times_vectors,
    weights_times_frames,
)


@pytest.fixture(params=["one-call", "a-call-each"])
def form(request, monkeypatch):
    if request.param == "a-call-each":
        monkeypatch.setattr(grouped_products, "_GROUPED", None)
    elif grouped_products._GROUPED is None:
        pytest.skip("this torch has no grouped product")


def drawn(*shape, dtype):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("lengths", [(3, 1, 4), (61, 77, 93, 2), (5,), (1, 1)])
@pytest.mark.parametrize("dim", [8, 5])
def test_products_are_those_of_each_utterance(form, lengths, dim, dtype):
    weights, frames = drawn(3, sum(lengths), dtype=dtype), drawn(sum(lengths), dim, dtype=dtype)
    pieces = list(zip(weights.split(lengths, dim=1), frames.split(lengths), strict=True))
    found = weights_times_frames(weights, frames, lengths)
    torch.testing.assert_close(found, torch.stack([own @ rows for own, rows in pieces]))
    vectors = drawn(len(lengths), 3, dim, dtype=dtype)
    expected = [own @ rows.T for own, (_, rows) in zip(vectors, pieces, strict=True)]
    back = frames_times_vectors(vectors, frames, lengths)
    torch.testing.assert_close(back, torch.cat(expected, dim=1))
    assert found.is_contiguous() and back.is_contiguous()


def test_rows_of_a_view_are_multiplied_too(form):
    lengths, wide = (3, 4), drawn(4, 9, dtype=torch.float32)
    weights, frames = wide[:, 1:8], drawn(7, 8, dtype=torch.float32)
    found = weights_times_frames(weights, frames, lengths)
    torch.testing.assert_close(found[1], weights[:, 3:] @ frames[3:])


def test_one_call_is_taken_where_torch_has_it(monkeypatch):
    if grouped_products._GROUPED is None:
        pytest.skip("this torch has no grouped product")
    calls = []

    def counted(*args, **options):
        calls.append(1)
        return torch.nn.functional.grouped_mm(*args, **options)

    monkeypatch.setattr(grouped_products, "_GROUPED", counted)
    weights, frames = drawn(2, 7, dtype=torch.float32), drawn(7, 4, dtype=torch.float32)
    weights_times_frames(weights, frames, (3, 4))
    frames_times_vectors(drawn(2, 2, 4, dtype=torch.float32), frames, (3, 4))
    assert len(calls) == 2
