import numpy as np
import pytest

from tokser.experiments.splits import kept_comparison
from tokser.experiments.splits.kept_comparison import cache_folder, find_or_recall
from tokser.experiments.splits.near_duplicates import find_near_duplicates

IDS = [f"u{n}" for n in range(40)]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(kept_comparison, "KEPT_FROM", len(IDS))
    return tmp_path / "tokser" / "comparisons"


@pytest.fixture
def units():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(len(IDS), 8)).astype(np.float32)
    vectors[7] = vectors[3] + 0.01
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def compared(monkeypatch):
    """Thresholds that pairs were really compared with."""
    calls = []

    def counted(ids, units, *, threshold=None, on_rows):
        calls.append(threshold)
        return find_near_duplicates(ids, units, threshold=threshold, on_rows=on_rows)

    monkeypatch.setattr(kept_comparison, "find_near_duplicates", counted)
    return calls


def assert_same(one, other):
    for name in ("first", "second", "cosines"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert getattr(one, name).dtype == getattr(other, name).dtype
    for name in ("ids", "threshold", "spread", "nearest_below", "is_complete"):
        assert getattr(one, name) == getattr(other, name)


def test_a_comparison_is_recalled_as_it_was_found(units, compared, folder):
    plain = find_near_duplicates(IDS, units, threshold=0.9)
    assert len(plain.first) > 0
    rows = []
    for _ in range(2):
        found = find_or_recall(IDS, units, threshold=0.9, on_rows=rows.append)
        assert_same(found, plain)
    assert compared == [0.9]
    assert sum(rows) == 2 * len(IDS)
    assert cache_folder() == folder
    assert len(list(folder.iterdir())) == 1


def test_other_vectors_or_thresholds_are_compared(units, compared):
    find_or_recall(IDS, units)
    find_or_recall(IDS, units, threshold=0.9)
    find_or_recall(IDS, units[::-1].copy())
    assert compared == [None, 0.9, None]


def test_a_broken_file_is_compared_again(units, compared, folder):
    plain = find_or_recall(IDS, units)
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[whole.index(plain.cosines.tobytes())] ^= 1
    for broken in (b"", whole[: len(whole) // 2], bytes(flipped)):
        file.write_bytes(broken)
        assert_same(find_or_recall(IDS, units), plain)
        assert file.read_bytes() == whole
    assert len(compared) == 4


def test_a_small_corpus_or_very_many_pairs_leave_nothing(units, folder, monkeypatch):
    find_or_recall(IDS[:-1], units[:-1])
    monkeypatch.setattr(kept_comparison, "MOST_PAIRS", 0)
    find_or_recall(IDS, units, threshold=0.9)
    assert not folder.exists()


def test_a_folder_that_cannot_be_made_is_done_without(units, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (tmp_path / "file").touch()
    assert_same(find_or_recall(IDS, units), find_near_duplicates(IDS, units))


def test_only_the_latest_are_kept(units, folder, monkeypatch):
    monkeypatch.setattr(kept_comparison, "MOST_FILES", 2)
    for threshold in (0.85, 0.9, 0.95):
        find_or_recall(IDS, units, threshold=threshold)
    assert len(list(folder.iterdir())) == 2
