import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokser.encoders.frames import conv_frames, conv_min_samples
from tokser.encoders.row_formula import learn_row_formula

LONGEST = 32_000


@given(
    kernels=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    data=st.data(),
    num_samples=st.integers(0, 10**6),
)
def test_rows_of_any_stack_of_convolutions_are_learnt(kernels, data, num_samples):
    strides = [data.draw(st.integers(1, 6)) for _ in kernels]
    formula = learn_row_formula(lambda n: conv_frames(n, kernels, strides), LONGEST)
    assert formula is not None
    assert formula.min_samples == conv_min_samples(kernels, strides)
    assert formula(num_samples) == conv_frames(num_samples, kernels, strides)


def test_rows_may_begin_with_two_at_the_shortest_length():
    """As openSMILE's: nothing below 60 ms, then two frames at once."""
    formula = learn_row_formula(lambda n: (n - 640) // 160 if n >= 960 else 0, 8_000)
    assert (formula.shift, formula.offset, formula.min_samples) == (160, -640, 960)
    assert [formula(n) for n in (959, 960, 16_000)] == [0, 2, 96]
    assert formula.shortest(96) == 16_000


def test_few_counts_are_needed():
    counted = []
    learn_row_formula(lambda n: counted.append(n) or conv_frames(n, [400], [320]), LONGEST)
    assert len(counted) == len(set(counted)) < 60


@pytest.mark.parametrize(
    "count",
    [
        lambda n: 0,
        lambda n: 12,
        lambda n: (n // 320) ** 2,
        lambda n: n // 320 if n < 20_000 else n // 320 + 1,
    ],
    ids=["never any", "always the same", "not linear", "a jump"],
)
def test_counts_without_a_formula_have_none(count):
    assert learn_row_formula(count, LONGEST) is None
