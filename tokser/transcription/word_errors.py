"""How far transcripts by machine are from given ones: word and character error rates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tokser.errors import InputError, MissingPackageError
from tokser.intervals import MIN_UNITS, Interval, Scale, jackknife_sums
from tokser.transcription.load import Transcriber
from tokser.transcription.transcript import Transcript

__all__ = ["ErrorRate", "WordErrors", "compare_transcripts"]

_PER_UTTERANCE = (
    *("id", "speaker", "language", "transcript", "recognised", "words", "substitutions"),
    *("deletions", "insertions", "characters", "character_errors", "confidence"),
)


@dataclass(frozen=True)
class ErrorRate:
    """An error rate over some utterances: all errors divided by all words, or characters.

    Attributes:
        value: The rate; above 1 where more was inserted than said.
        interval: Its 95 % interval.
    """

    value: float
    interval: Interval


@dataclass(frozen=True)
class WordErrors:
    """The comparison.

    Attributes:
        wer: Word error rate.
        cer: Character error rate, blanks included.
        units: What the intervals rest on: `speakers`, or `utterances` where few speakers are known.
        num_left_out: Utterances whose given transcript has no word once it is normalised.
        normaliser: How both sides were normalised.
        table: A row for each utterance: both texts, normalised, and the counts.
    """

    wer: ErrorRate
    cer: ErrorRate
    units: str
    num_left_out: int
    normaliser: str
    table: pd.DataFrame


def compare_transcripts(
    table: pd.DataFrame, transcripts: Mapping[str, Transcript], transcriber: Transcriber
) -> WordErrors:
    """Compare transcripts by machine with those of a manifest.

    Both sides are normalised first: English by transformers' `EnglishTextNormalizer`, other
    languages by its `BasicTextNormalizer` (small letters, no signs, nothing in brackets).
    The interval is the jackknife over speakers, or over utterances where fewer than four speakers
    are known (`tokser.intervals`).

    Args:
        table: Of the manifest.
        transcripts: By utterance.
        transcriber: What made them; its tokenizer may know British spellings.

    Raises:
        InputError: No given transcript has a word.
        MissingPackageError: jiwer is not installed.
    """
    jiwer = _import_jiwer()
    spellings = transcriber.spellings()
    rows: list[dict[str, Any]] = []
    for name, one in transcripts.items():
        about = table.loc[name]
        normalise = _normaliser(one.language, spellings)
        said, heard = normalise(str(about["transcript"])), normalise(one.text)
        if not said:
            continue
        words, characters = jiwer.process_words(said, heard), jiwer.process_characters(said, heard)
        counts = [words.substitutions, words.deletions, words.insertions]
        errors = characters.substitutions + characters.deletions + characters.insertions
        length = characters.hits + characters.substitutions + characters.deletions
        cells = (name, about["speaker"], one.language, said, heard, len(said.split()), *counts)
        rows.append(
            dict(zip(_PER_UTTERANCE, (*cells, length, errors, one.confidence), strict=True))
        )
    if not rows:
        raise InputError(
            "--check",
            expected="transcripts that were given, to compare with",
            got="none with a word",
            remedy="Leave --check out, or name a manifest that has some.",
        )
    found = pd.DataFrame(rows, columns=list(_PER_UTTERANCE))
    units, kind = _units(found)
    word_errors = found[["substitutions", "deletions", "insertions"]].sum(axis=1)
    return WordErrors(
        wer=_rate(word_errors, found["words"], units),
        cer=_rate(found["character_errors"], found["characters"], units),
        units=kind,
        num_left_out=len(transcripts) - len(rows),
        normaliser=_described(found["language"].unique().tolist(), bool(spellings)),
        table=found,
    )


def _units(found: pd.DataFrame) -> "tuple[pd.Series[Any], str]":
    """Return what is independent, and its name: speakers, where enough are known."""
    speakers = found["speaker"]
    is_known = speakers.ne("").all() and speakers.nunique() >= MIN_UNITS
    return (speakers, "speakers") if is_known else (found["id"], "utterances")


def _rate(
    errors: "pd.Series[Any]", lengths: "pd.Series[Any]", units: "pd.Series[Any]"
) -> ErrorRate:
    pairs = pd.DataFrame({"errors": errors, "lengths": lengths}).groupby(units.to_numpy()).sum()
    sums = pairs.to_numpy(dtype=np.float64)
    if len(sums) < MIN_UNITS:
        few = Interval.none(f"fewer than {MIN_UNITS} units", len(sums))
        return ErrorRate(float(_ratio(sums.sum(axis=0))), few)
    total = float(lengths.sum())
    is_share = bool((_ratio(sums.sum(axis=0) - sums) <= 1).all())
    scale: Scale = "share" if is_share else "difference"
    value, interval = jackknife_sums(sums, _ratio, scale=scale, num_observations=total)
    low = max(interval.low, 0.0)
    return ErrorRate(value, Interval(low, interval.high, interval.num_units, interval.missing))


def _ratio(sums: np.ndarray) -> np.ndarray:
    return np.asarray(sums[..., 0] / sums[..., 1])


def _normaliser(language: str, spellings: Mapping[str, str]) -> Any:
    from transformers.models.whisper.english_normalizer import (
        BasicTextNormalizer,
        EnglishTextNormalizer,
    )

    plain: Any = (
        EnglishTextNormalizer(dict(spellings)) if language == "en" else BasicTextNormalizer()
    )
    return lambda text: " ".join(plain(text).split())


def _described(languages: Sequence[str], has_spellings: bool) -> str:
    spelling = "" if has_spellings else " without its list of British spellings"
    names = [f"EnglishTextNormalizer{spelling}"] if "en" in languages else []
    names += ["BasicTextNormalizer"] if set(languages) - {"en"} else []
    return " and ".join(names) + " of transformers"


def _import_jiwer() -> Any:
    try:
        import jiwer
    except ImportError as error:
        raise MissingPackageError(
            "jiwer",
            expected="the package that counts word errors, for --check",
            got=str(error),
            remedy='Install it: pip install "tokser[transcribe]".',
        ) from error
    return jiwer
