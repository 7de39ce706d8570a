import pandas as pd
import pytest

from tokser.experiments.splits.sentences import normalise_transcript, sentences_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Das will sie  am Mittwoch abgeben.", "das will sie am mittwoch abgeben"),
        ("DAS WILL SIE AM MITTWOCH ABGEBEN", "das will sie am mittwoch abgeben"),
        ("Fu\u0308r\u00a0dich!", "f\u00fcr dich"),
        ("STRASSE", "strasse"),
        ("Stra\u00dfe", "strasse"),
        ("Don\u2019t, well-known", "dont well known"),
        ("\u00bfQu\u00e9?", "qu\u00e9"),
        ("\uff29\uff54\u3000\ufb01ts", "it fits"),
        (" ... ", ""),
        ("", ""),
    ],
)
def test_the_words_alone_count(text, words):
    assert normalise_transcript(text) == words
    assert normalise_transcript(words) == words


def test_the_corpus_own_sentence_goes_first_and_is_kept_as_it_is():
    table = pd.DataFrame({"transcript": ["Ja.", "ja"], "sentence": ["A 01", "a01"]})
    assert sentences_of(table).tolist() == ["A 01", "a01"]
    assert sentences_of(table[["transcript"]]).tolist() == ["ja", "ja"]
