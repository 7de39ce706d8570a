import numpy as np
import pytest
from scipy.special import stdtrit

from tokser.student_t import reach_of_t


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95, 0.99])
@pytest.mark.parametrize("freedom", [1, 1.5, 2, 3, 4.7, 9, 23, 534.2, 10_000, 1e6])
def test_it_is_scipys_quantile(freedom, level):
    expected = stdtrit(freedom, (1 + level) / 2)
    np.testing.assert_allclose(reach_of_t(freedom, level), expected, rtol=1e-8)
