import numpy as np

from tokser.experiments.calibration.bins import bin_edges, bin_of


def test_bins_of_equal_mass_hold_as_many_each():
    values = np.random.default_rng(0).random(150) ** 4
    counts = np.bincount(bin_of(values, bin_edges(values, "equal-mass", 15)))
    assert counts.tolist() == [10] * 15


def test_equal_values_share_a_bin():
    values = np.array([0.2] * 50 + [0.9] * 50)
    edges = bin_edges(values, "equal-mass")
    assert len(set(bin_of(values, edges))) == 2
    assert edges[0] == 0 and edges[-1] == 1


def test_bins_of_equal_width_end_at_their_upper_edge():
    edges = bin_edges(np.array([0.5]), "equal-width", 4)
    assert edges.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert bin_of(np.array([0.0, 0.25, 0.26, 1.0]), edges).tolist() == [0, 0, 1, 3]


def test_no_values_have_bins_all_the_same():
    assert bin_edges(np.array([]), "equal-mass", 2).tolist() == [0, 0.5, 1]
