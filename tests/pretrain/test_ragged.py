import torch
from hypothesis import given
from hypothesis import strategies as st

from tokser.pretrain.ragged import as_padded, as_ragged, row_mask


@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=5))
def test_padding_round_trips(lengths):
    rows = torch.randn(sum(lengths), 3)
    padded = as_padded(rows, torch.tensor(lengths))
    assert padded.shape == (len(lengths), max(lengths), 3)
    for part, own in zip(padded, rows.split(lengths), strict=True):
        assert torch.equal(part[: len(own)], own)
        assert not part[len(own) :].any()
    assert torch.equal(as_ragged(padded, torch.tensor(lengths)), rows)


def test_a_mask_is_true_where_a_row_is():
    found = row_mask(torch.tensor([2, 1]), torch.device("cpu"))
    assert found.tolist() == [[True, True], [True, False]]
