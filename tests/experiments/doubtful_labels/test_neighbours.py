"""The nearest utterances, and what they are labelled."""

import numpy as np
import pandas as pd
import pytest

from tokser.config import PoolSettings
from tokser.errors import InputError
from tokser.experiments.doubtful_labels.evidence import OutOfFold
from tokser.experiments.doubtful_labels.neighbours import count_neighbours, nearest
from tokser.experiments.doubtful_labels.train import one_expression
from tokser.stages.pool import pool


def plain_nearest(values, groups, number):
    found = []
    for i, own in enumerate(values):
        cosines = values @ own / np.linalg.norm(values, axis=1) / np.linalg.norm(own)
        others = [j for j in np.argsort(-cosines) if groups[j] != groups[i]]
        found.append(others[:number])
    return np.array(found)


@pytest.mark.parametrize("num_utterances", [11, 520])
def test_neighbours_are_those_of_a_plain_search(num_utterances):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(num_utterances, 6)).astype(np.float32)
    groups = rng.integers(0, 3, num_utterances)
    found = nearest(values, groups, 3)
    np.testing.assert_array_equal(found, plain_nearest(values, groups, 3))


def test_an_utterance_without_length_has_neighbours_too():
    values = np.zeros((4, 2), dtype=np.float32)
    values[1:] = [[1, 0], [0, 1], [1, 1]]
    found = nearest(values, np.arange(4), 2)
    assert (found != np.arange(4)[:, None]).all()


@pytest.fixture
def store(stores):
    opened = stores.complete(stores.manifest(24))
    pool(PoolSettings(store=opened.path))
    return type(opened)(opened.backend)


def predicted_of(store) -> OutOfFold:
    labels = store.utterances["label"]
    classes = sorted(set(labels))
    even = pd.DataFrame(1 / len(classes), index=labels.index, columns=classes)
    return OutOfFold(even, labels, (), "nothing")


def counted(store, **options):
    wanted = {"num_neighbours": 5, "other_speakers": True} | options
    features = (one_expression(store, None),)
    return count_neighbours(store, predicted_of(store), features, **wanted)


def test_every_utterance_has_as_many_neighbours_as_asked_for(store):
    found = counted(store)
    assert (found.counts.sum(axis=1) == 5).all()
    assert found.features == ("whisper-tiny/layer-2",)
    assert list(found.counts.columns) == ["anger", "neutral", "sadness"]


def test_all_of_one_speaker_may_be_neighbours_if_allowed(store):
    everybody = counted(store, num_neighbours=23, other_speakers=False)
    assert (everybody.counts.sum(axis=1) == 23).all()
    with pytest.raises(InputError, match=r"of other speakers.*got 18\. .*--neighbours-from all"):
        counted(store, num_neighbours=19)
    with pytest.raises(InputError, match=r"beside each one, got 23\. Ask for fewer\."):
        counted(store, num_neighbours=24, other_speakers=False)
