import pytest

from tokser.config import GridSettings
from tokser.experiments.grid import Point, grid_points


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
