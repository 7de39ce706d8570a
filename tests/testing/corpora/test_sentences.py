import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokser.errors import InputError
from tokser.testing.corpora.sentences import english_sentences


@settings(max_examples=20, deadline=None)
@given(seed=st.integers() | st.text(max_size=5), count=st.integers(0, 300))
def test_sentences_are_many_and_plain(seed: int | str, count: int):
    sentences = english_sentences(count, seed=seed)
    assert len(sentences) == len(set(sentences)) == count
    for sentence in sentences:
        assert 8 <= len(sentence.split()) <= 16
        assert re.fullmatch(r"[a-z]+( [a-z]+)*", sentence)
        assert not re.search(r"\ba [aeiou]|\ban [^aeiouh]", sentence)


def test_every_length_from_8_to_16_words_can_occur_at_the_ends():
    lengths = {len(sentence.split()) for sentence in english_sentences(500)}
    assert {8, 16} <= lengths


def test_vocabulary_has_a_few_hundred_words():
    words = set(" ".join(english_sentences(160)).split())
    assert 250 < len(words) < 500


def test_more_sentences_only_add_to_the_end():
    assert english_sentences(200, seed=3)[:50] == english_sentences(50, seed=3)


def test_seeds_give_different_sentences():
    assert not set(english_sentences(100, seed=1)) & set(english_sentences(100, seed=2))


@pytest.mark.parametrize("count", [-1, 100_001])
def test_counts_out_of_range_are_refused(count: int):
    with pytest.raises(InputError, match=f"count: expected 0 to 100000 sentences, got {count}"):
        english_sentences(count)


def test_more_words_stand_beside_the_grammars_own():
    sentences = english_sentences(200, more_words={"thing": ["gizmo"] * 50, "manner": ["zestily"]})
    words = " ".join(sentences).split()
    assert words.count("gizmo") > 25
    assert "zestily" in words
    assert set(words) & {"letter", "basket", "candle", "hammer", "mirror", "blanket", "bottle"}


def test_words_for_an_unknown_slot_are_refused():
    with pytest.raises(InputError, match=r"more_words: expected slots of the grammar.*got noun"):
        english_sentences(1, more_words={"noun": ["gizmo"]})
