import math

import pytest

from tokser.pretrain.metrics import HEADLINE, best_epoch


@pytest.mark.parametrize(
    ("rates", "best"),
    [
        ([0.1, 0.2, 0.4, 0.3], 2),
        ([0.9, 0.2, 0.4, 0.3], 2),  # the untrained aligner is never the best
        ([0.2, 0.2, 0.2], 1),  # of equals the first of the trained ones
        ([0.1, 0.2, 0.3, 0.3], 2),
        ([0.0, 0.0], 1),
        ([0.1, math.nan, 0.2], 2),
        ([0.1], None),
        ([], None),
    ],
)
def test_the_best_epoch_is_the_first_of_the_highest(rates, best):
    rows = [{"epoch": epoch, HEADLINE: rate} for epoch, rate in enumerate(rates)]
    assert best_epoch(rows) == best_epoch(rows[::-1]) == best
