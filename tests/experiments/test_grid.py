import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from tokser.config import GridSettings
from tokser.experiments.grid import Point, class_importance, grid_points, stack_bytes
from tokser.experiments.heads.mlp.model import initialise


def test_points_vary_batch_sizes_slowest_and_shapes_fastest():
    shapes = ((8, 4), ())
    grid = GridSettings(batch_sizes=(16, 4), learning_rates=(1e-2, 1e-3), hidden=shapes)
    points = grid_points(grid)
    assert points[:3] == [Point(16, 1e-2, (8, 4)), Point(16, 1e-2, ()), Point(16, 1e-3, (8, 4))]
    assert len(points) == len(set(points)) == 8


@pytest.mark.parametrize(("hidden", "shape"), [((8, 4), (8, 4)), ((), ()), (((),), ())])
def test_one_shape_may_be_written_plainly(hidden, shape):
    grid = GridSettings.parse({"hidden": hidden}, where="test")
    assert {point.hidden for point in grid_points(grid)} == {shape}


def test_the_default_grid_is_table_2s_baseline():
    points = grid_points(GridSettings())
    assert len(points) == 18
    assert {point.batch_size for point in points} == {2**power for power in range(2, 11)}
    assert {point.learning_rate for point in points} == {1e-3, 5e-3}


def test_importance_is_scikit_learns_balanced_weight():
    labels = np.array([0, 0, 0, 2, 1, 2, 0])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    found = class_importance(labels, 3, is_balanced=True)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert class_importance(labels, 3, is_balanced=False).tolist() == [1, 1, 1]


def test_a_class_that_train_lacks_has_a_finite_importance():
    assert np.isfinite(class_importance(np.array([0, 2]), 3, is_balanced=True)).all()


def test_bytes_are_those_of_five_copies_of_the_weights():
    stack = initialise((10, 8, 4, 3), [(0,)])
    weights = sum(p.numel() for p in stack if p.shape[1] > 1)
    assert stack_bytes([Point(4, 1e-3, (8, 4)), Point(4, 1e-3, ())], 10, 3) == 5 * 4 * weights
