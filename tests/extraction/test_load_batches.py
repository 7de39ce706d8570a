"""Utterances as batches: grouped, read, quarantined."""

import numpy as np
import pytest
import soundfile

from tokser.corpora.waveform import fingerprint
from tokser.extraction import load_batches as module
from tokser.extraction.load_batches import Utterances, group_into_batches, load_batch


class Speech:
    kind = "speech"

    def batches(self, num_samples, batch_seconds):
        size = int(batch_seconds)
        return [
            list(range(len(num_samples)))[i : i + size] for i in range(0, len(num_samples), size)
        ]

    def prepare(self, waveforms):
        return [len(waveform) for waveform in waveforms]


class Text:
    kind = "text"

    def prepare(self, token_ids):
        return [ids.tolist() for ids in token_ids]


@pytest.fixture
def recordings(tmp_path):
    """Three recordings: one as in the manifest, one of another length, one that is no audio."""
    paths = [tmp_path / f"{name}.wav" for name in "abc"]
    soundfile.write(paths[0], np.full(800, 0.1), 16_000)
    soundfile.write(paths[1], np.full(700, 0.1), 16_000)
    paths[2].write_bytes(b"no audio")
    return Utterances(["a", "b", "c"], [800] * 3, {}, paths=paths)


def test_waveforms_are_grouped_longest_first_if_not_quarantined():
    utterances = Utterances(list("abcd"), [5, 0, 9, 7], {1: "no audio"})
    assert utterances.usable == [0, 2, 3]
    assert group_into_batches(Speech(), utterances, 2.0) == [[2, 3], [0]]
    none_usable = Utterances(["a"], [0], {0: "no audio"})
    assert group_into_batches(Speech(), none_usable, 2.0) == []


def test_texts_are_grouped_shortest_first_equal_ones_together(monkeypatch):
    monkeypatch.setattr(module, "SEQUENCES_PER_BATCH", 2)
    tokens = [np.array(ids, dtype=np.int32) for ids in ([1, 2, 3], [4, 5], [1, 2, 3], [1])]
    utterances = Utterances(list("abcd"), [0] * 4, {}, token_ids=tokens)
    assert group_into_batches(Text(), utterances, 2.0) == [[3, 1], [0, 2]]
    assert load_batch(Text(), utterances, [3, 1]).prepared == [[1], [4, 5]]


def test_broken_and_changed_recordings_are_quarantined(recordings):
    loaded = load_batch(Speech(), recordings, [0, 1, 2])
    assert (loaded.places, loaded.prepared) == ([0], [800])
    assert "expected 800 samples at 16000 Hz as in the manifest, got 700" in loaded.quarantined[1]
    assert "not audio" in loaded.quarantined[2]
    assert loaded.fingerprints[0] == fingerprint(recordings.paths[0])


def test_a_batch_without_a_readable_recording_is_empty(recordings):
    loaded = load_batch(Speech(), recordings, [1, 2])
    assert (loaded.places, loaded.prepared) == ([], None)
