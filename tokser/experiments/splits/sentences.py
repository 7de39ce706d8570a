"""Which utterances say the same sentence, by the words alone."""

import unicodedata

import pandas as pd

__all__ = ["normalise_transcript", "sentences_of"]

_APOSTROPHES = frozenset("'`\u2018\u2019\u02bc\u00b4")
"""Also the marks that are typed in their place."""


def sentences_of(utterances: pd.DataFrame) -> "pd.Series[str]":
    """Return what is said in each utterance: the corpus's own `sentence`, else the transcript.

    Transcripts are normalised, so that one sentence written in two ways is one sentence.
    """
    if "sentence" in utterances:
        return utterances["sentence"]
    said = utterances["transcript"]
    return said.map({text: normalise_transcript(text) for text in said.unique()})


def normalise_transcript(text: str) -> str:
    """Return the words of a transcript: no case, no punctuation, single spaces, Unicode NFKC.

    Apostrophes vanish (`don't`, `dont`), other punctuation and symbols part words (`well-known`,
    `well known`).
    """
    # NFKC before and after: folding may take a character's composed form apart.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.translate(_WRITTEN).split())


class _Written(dict[int, str]):
    """What each character of a transcript becomes, kept once it was looked up."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        becomes = " " if unicodedata.category(letter)[0] in "PSZC" else letter
        self[code] = "" if letter in _APOSTROPHES else becomes
        return self[code]


_WRITTEN = _Written()
