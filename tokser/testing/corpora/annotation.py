"""Text files of an IEMOCAP dialogue: emotion evaluations, transcription, one rater's categories."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["RATER_WORDS", "Turn", "categorical_text", "evaluation_text", "transcription_text"]

RATER_WORDS = {
    "ang": "Anger",
    "hap": "Happiness",
    "exc": "Excited",
    "neu": "Neutral",
    "sad": "Sadness",
    "fru": "Frustration",
}
"""What a rater ticks, by the label that two of three raters agree on."""

_CATEGORY_RATERS = ("C-E2", "C-E3", "C-E4")
_DIMENSION_RATERS = ("A-E3", "A-E4")


@dataclass(frozen=True)
class Turn:
    """One annotated turn of a dialogue.

    Args:
        id: For instance `Ses01F_impro01_M003`.
        label: Label agreed on; `xxx` when every rater ticked another one.
        text: What is said.
        start_s: Start within the dialogue, in seconds.
        end_s: End within the dialogue, in seconds.
        ratings: Valence, activation and dominance, 1 to 5, by each of two raters.
    """

    id: str
    label: str
    text: str
    start_s: float
    end_s: float
    ratings: tuple[tuple[int, int, int], tuple[int, int, int]]


def evaluation_text(turns: Sequence[Turn]) -> str:
    """Return the content of `EmoEvaluation/<dialogue>.txt`: a block of lines for every turn."""
    header = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
    return header + "".join(_evaluation_block(turn) for turn in turns)


def transcription_text(turns: Sequence[Turn]) -> str:
    """Return the content of `transcriptions/<dialogue>.txt`, overlapping turns included.

    The real corpus has turns that nobody evaluated (their numbers begin with XX) and remarks
    without a name; each dialogue ends with one of either.
    """
    lines = [f"{turn.id} [{turn.start_s:08.4f}-{turn.end_s:08.4f}]: {turn.text}" for turn in turns]
    last = turns[-1]
    dialogue, _, _ = last.id.rpartition("_")
    start_s, end_s = last.end_s - 0.4, last.end_s
    lines.append(f"{dialogue}_MXX0 [{start_s:08.4f}-{end_s:08.4f}]: Mmhm.")
    lines.append("F: [LAUGHTER]")
    return "\n".join(lines) + "\n"


def categorical_text(turns: Sequence[Turn]) -> str:
    """Return the content of `EmoEvaluation/Categorical/<dialogue>_e2_cat.txt`, one rater's view."""
    return "".join(f"{turn.id} :{_ticks(turn.label)[0]}; ()\n" for turn in turns)


def _evaluation_block(turn: Turn) -> str:
    means = ", ".join(f"{(one + other) / 2:.4f}" for one, other in zip(*turn.ratings, strict=True))
    lines = [f"[{turn.start_s:.4f} - {turn.end_s:.4f}]\t{turn.id}\t{turn.label}\t[{means}]"]
    for rater, tick in zip(_CATEGORY_RATERS, _ticks(turn.label), strict=True):
        lines.append(f"{rater}:\t{tick};\t()")
    for rater, (valence, activation, dominance) in zip(
        _DIMENSION_RATERS, turn.ratings, strict=True
    ):
        lines.append(f"{rater}:\tval {valence}; act {activation}; dom  {dominance};\t()")
    return "\n".join(lines) + "\n\n"


def _ticks(label: str) -> tuple[str, str, str]:
    """Return what three raters ticked so that a majority, or nobody, makes the label."""
    if label == "xxx":
        return "Anger", "Neutral", "Frustration"
    word = RATER_WORDS[label]
    return word, word, "Other"
