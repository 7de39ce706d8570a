"""Batches of near-equal length."""

import numpy as np

from tokser.experiments.heads.tuned.length_batches import in_length_batches, shuffled_batches

LENGTHS = np.random.default_rng(0).integers(1, 500, 203)


def padding(batches):
    return sum(len(own) * LENGTHS[own].max() - LENGTHS[own].sum() for own in batches)


def test_each_utterance_is_in_one_batch():
    for batches in (shuffled_batches(LENGTHS, 8, (0, 1)), in_length_batches(LENGTHS, 8)):
        assert sorted(place for own in batches for place in own) == list(range(203))
        assert max(map(len, batches)) == 8


def test_little_is_padded():
    order = np.random.default_rng(1).permutation(203)
    unsorted = [order[i : i + 8] for i in range(0, 203, 8)]
    assert padding(shuffled_batches(LENGTHS, 8, (0, 1))) < padding(unsorted) / 5


def test_order_follows_the_seed_and_differs_by_epoch():
    first = shuffled_batches(LENGTHS, 8, (0, 1))
    assert first == shuffled_batches(LENGTHS, 8, (0, 1))
    assert first != shuffled_batches(LENGTHS, 8, (0, 2))
