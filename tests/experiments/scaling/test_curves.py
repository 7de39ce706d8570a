import numpy as np
import pytest

from tokser.experiments.scaling.curves import Curve, Point, fit_row, point_rows
from tokser.experiments.statistics.metrics import uar_from_confusion
from tokser.experiments.statistics.unit_sums import UnitSums

SIZES = (1, 2, 3, 4, 6, 9)


def made(recall_at, *, sizes=SIZES, num_units=10, num_draws=5, spread=0.03):
    """A curve of two classes whose recall varies by unit and by draw."""
    rng = np.random.default_rng(0)
    of_unit = rng.normal(0, spread, size=(num_units, 1))
    points = []
    for size in sizes:
        of_draw = rng.normal(0, spread, size=(num_units, num_draws))
        recall = np.clip(recall_at(size) + of_unit + of_draw, 0, 1)
        cells = np.stack([recall, 1 - recall, 1 - recall, recall], axis=-1)
        sums = 50 * cells.reshape(num_units, num_draws, 2, 2)
        tested = UnitSums(sums, 100.0 * num_units)
        points.append(Point(size, tested, float(size), 50.0 * size, 5, 0))
    folds = list(range(num_units))
    return Curve("speakers", points, folds, uar_from_confusion, "share", has_chance=True)


def law_of(curve):
    return fit_row(curve, np.random.default_rng(0))


def test_the_law_behind_a_curve_is_found_with_its_uncertainty():
    row = law_of(made(lambda n: 0.95 - 0.4 * n**-0.8))
    truth = {"limit": 0.05, "exponent": 0.8, "score_at_double": 0.95 - 0.4 * 18**-0.8}
    truth["gain_per_doubling"] = 0.4 * (9**-0.8 - 18**-0.8)
    for name, value in truth.items():
        assert row[f"{name}_low"] <= value <= row[f"{name}_high"], name
        assert row[f"{name}_low"] <= row[name] <= row[f"{name}_high"], name
    assert row["not_identified"] == ""
    assert row["largest"] == 9


def test_a_flat_curve_has_no_law():
    row = law_of(made(lambda n: 0.7))
    assert row["not_identified"].startswith("flat")
    assert "exponent" not in row


@pytest.mark.parametrize(
    ("kept", "message"),
    [({"sizes": (1, 4, 9)}, "3 sizes, a fit needs 4"), ({"num_units": 3}, "fewer than 4 speakers")],
    ids=["sizes", "speakers"],
)
def test_too_few_points_or_speakers_have_no_law(kept, message):
    assert message in law_of(made(lambda n: 0.95 - 0.4 * n**-0.8, **kept))["not_identified"]


def test_exponents_that_fit_as_well_are_told():
    curve = made(lambda n: 0.9 - 0.2 * n**-0.8, sizes=(1, 2, 3, 4), num_draws=2, spread=0.08)
    row = law_of(curve)
    assert "to 3 fit as well" in row["not_identified"]
    assert row["score_at_double"] >= row["score_at_largest"]


def test_a_curve_that_is_no_power_law_is_told():
    row = law_of(made(lambda n: 0.5 + 0.45 * (n > 3), spread=0.01))
    assert "no power law: it misses the scores by" in row["not_identified"]


def test_intervals_hold_the_score_and_grow_with_the_draws_spread():
    rows = list(point_rows(made(lambda n: 0.8, spread=0.05), np.random.default_rng(0)))
    narrow = list(point_rows(made(lambda n: 0.8, spread=0.01), np.random.default_rng(0)))
    for one, other in zip(rows, narrow, strict=True):
        assert one["low"] < one["score"] < one["high"]
        assert one["high"] - one["low"] > other["high"] - other["low"]
        assert one["draw_std"] > 0
        assert one["chance"] == 0.5
