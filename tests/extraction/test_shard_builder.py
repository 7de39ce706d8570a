"""A shard in memory: rows by feature, quarantine, functionals, overflow."""

from types import SimpleNamespace

import numpy as np
import pytest

from tokser.corpora.waveform import Fingerprint
from tokser.errors import RunError
from tokser.extraction.extractor import Extractor
from tokser.extraction.feature_specs import FeatureSpecs
from tokser.extraction.load_batches import LoadedBatch, Utterances
from tokser.extraction.pending_group import PendingGroup
from tokser.extraction.shard_builder import ShardBuilder
from tokser.store import Recording

ROWS = np.arange(12, dtype=np.float16).reshape(3, 4)


class Output:
    """The output of a batch: the same rows for each utterance."""

    num_bytes = 0

    def __init__(self, num_utterances=1, rows=ROWS):
        self._rows = [{2: rows}] * num_utterances

    def fetch(self):
        return self._rows

    def before_cast(self, utterance, layer):
        return np.full((3, 4), 1e5, dtype=np.float32)


def builder(kind="speech", features=("layer-2",), functionals_only=False):
    encoder = SimpleNamespace(
        kind=kind,
        name="encoder",
        word_embeddings=lambda ids: np.outer(ids, np.ones(4)).astype(np.float32),
    )
    extractor = Extractor(encoder, FeatureSpecs({"layer-2": 2}, "float16", functionals_only), 30.0)
    tokens = [np.array([i, i + 2], dtype=np.int32) for i in range(3)]
    utterances = Utterances(["a", "b", "c"], [960] * 3, {1: "no audio"}, token_ids=tokens)
    of = PendingGroup(extractor, None, None, None, None)
    return ShardBuilder(7, features, utterances, of, num_batches_left=1)


def test_rows_are_none_where_an_utterance_is_quarantined():
    one = builder()
    batch = LoadedBatch([0], None, {2: "cut short"}, {0: Fingerprint("f0", 5)})
    one.add(batch, Output(), "a.zarr")
    assert one.num_batches_left == 0
    first, *others = one.rows["layer-2"]
    np.testing.assert_array_equal(first, ROWS)
    assert others == [None, None]
    assert one.quarantined == {"b": "no audio", "c": "cut short"}
    assert one.recordings == [Recording("f0", 5), Recording("", 0), Recording("", 0)]


def test_functionals_replace_rows_of_layers_and_words():
    one = builder("text", ("layer-2", "word"), functionals_only=True)
    one.add(LoadedBatch([0, 2]), Output(2), "a.zarr")
    rows = ROWS.astype(np.float64)
    expected = np.concatenate([rows.mean(0), rows.std(0)])[None]
    np.testing.assert_allclose(one.rows["layer-2"][0], expected, rtol=1e-6)
    np.testing.assert_allclose(one.rows["word"][2], [[3.0] * 4 + [1.0] * 4])
    assert one.recordings == []


def test_token_ids_need_no_batch():
    one = builder("text", ("token_ids",))
    assert one.layers == []
    assert one.rows["token_ids"][2].tolist() == [2, 4]


def test_an_overflow_names_store_layer_and_utterance():
    rows = np.full((3, 4), np.inf, dtype=np.float16)
    with pytest.raises(RunError, match=r"a\.zarr, layer 2, a: .*float16"):
        builder().add(LoadedBatch([0]), Output(rows=rows), "a.zarr")
