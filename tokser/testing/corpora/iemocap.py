"""A small synthetic corpus in IEMOCAP's own layout: five sessions of two speakers in dialogue."""

import random
from dataclasses import dataclass
from pathlib import Path

from tokser.provenance import write_atomically
from tokser.testing.corpora.annotation import (
    Turn,
    categorical_text,
    evaluation_text,
    transcription_text,
)
from tokser.testing.corpora.prosody import express
from tokser.testing.corpora.recording import (
    Recording,
    SyntheticCorpus,
    seconds_of,
    write_recordings,
)
from tokser.testing.corpora.sentences import english_sentences
from tokser.testing.corpora.voice import Voice

__all__ = ["write_iemocap"]


@dataclass(frozen=True)
class _Feeling:
    emotion: str
    dimensions: tuple[float, float, float]  # mean valence, activation, dominance
    openings: tuple[str, ...]  # said before every other sentence


_FEELINGS = {
    "ang": _Feeling("anger", (1.8, 3.8, 4.0), ("I told you already!", "That is enough!")),
    "hap": _Feeling("happiness", (4.0, 3.2, 3.2), ("That is wonderful.", "I am so glad.")),
    "exc": _Feeling("excitement", (4.2, 4.0, 3.5), ("Oh my goodness!", "You will not believe it!")),
    "neu": _Feeling("neutral", (3.0, 2.7, 2.9), ("Excuse me.", "Well.")),
    "sad": _Feeling("sadness", (2.1, 2.0, 2.2), ("I am so sorry.", "I miss those days.")),
    "fru": _Feeling("frustration", (2.3, 3.2, 3.3), ("Are you serious?", "What do you mean?")),
    "xxx": _Feeling("disgust", (2.8, 2.9, 3.0), ("I do not know.", "Fine.")),
}
_SPEAKERS = {
    "Ses01F": Voice("en-us+f2", 175, 45, 50, 95),
    "Ses01M": Voice("en-us+m3", 168, 50, 48, 90),
    "Ses02F": Voice("en-us+f4", 182, 50, 55, 85),
    "Ses02M": Voice("en-us+m7", 172, 42, 52, 80),
    "Ses03F": Voice("en-us+f3", 165, 38, 46, 105),
    "Ses03M": Voice("en-us+m1", 185, 55, 50, 100),
    "Ses04F": Voice("en-us+f5", 170, 48, 52, 90),
    "Ses04M": Voice("en-us+m4", 162, 58, 56, 95),
    "Ses05F": Voice("en-us+f1", 188, 52, 50, 80),
    "Ses05M": Voice("en-us+m5", 176, 46, 45, 105),
}
_DIALOGUES = ("F_impro01", "M_impro02", "F_script01_1", "M_script01_2")
_APPLE_DOUBLE = bytes.fromhex("00051607 00020000") + b"Mac OS X        " + b"\x00\x02"


@dataclass(frozen=True)
class _Line:
    """A turn before it is spoken: everything but its times."""

    dialogue: str
    id: str
    label: str
    text: str

    def path(self, root: Path) -> Path:
        return _session(root, self.dialogue) / f"sentences/wav/{self.dialogue}/{self.id}.wav"


def write_iemocap(root: Path, *, seed: int = 0) -> None:
    """Write synthetic emotional dialogues as IEMOCAP has them, oddities of the corpus included.

    Five sessions of two speakers, four dialogues each: 40 turns each of anger, happiness or
    excitement, neutral and sadness, and 20 of frustration or no agreement. A second call is
    instant, and an interrupted one continues.

    Args:
        root: The corpus's folder, the one that holds `Session1`.
        seed: Determines the sentences, their order, and how every utterance sounds.

    Raises:
        InputError: `root` contains other files.
        MissingPackageError: espeakng-loader is not installed.
    """
    corpus = SyntheticCorpus(root, {"corpus": "iemocap", "seed": seed})
    if corpus.is_finished:
        return
    lines = _play(seed)
    recordings = [_recording(root, line, seed) for line in lines]
    write_recordings(recordings, description="Speaking IEMOCAP")
    for dialogue in dict.fromkeys(line.dialogue for line in lines):
        turns = _timed(root, [line for line in lines if line.dialogue == dialogue], seed)
        _write_annotation(root, dialogue, turns)
    corpus.finish()


def _session(root: Path, dialogue: str) -> Path:
    return root / f"Session{int(dialogue[3:5])}"


def _play(seed: int) -> list[_Line]:
    """Write the whole play: every dialogue's turns, in order."""
    dialogues = [f"Ses{session:02d}{name}" for session in range(1, 6) for name in _DIALOGUES]
    cast = {dialogue: _labels(dialogue, seed) for dialogue in dialogues}
    sentences = iter(english_sentences(sum(map(len, cast.values())), seed=f"iemocap/{seed}"))
    lines = []
    for dialogue, turns in cast.items():
        for turn_id, label in turns:
            rng = random.Random(f"text/{seed}/{turn_id}")
            opening = rng.choice((f"{rng.choice(_FEELINGS[label].openings)} ", ""))
            text = f"{opening}{next(sentences).capitalize()}."
            lines.append(_Line(dialogue, turn_id, label, text))
    return lines


def _labels(dialogue: str, seed: int) -> list[tuple[str, str]]:
    """Deal the labels of one dialogue to its two speakers, who talk in turn."""
    rng = random.Random(f"labels/{seed}/{dialogue}")
    glad = "hap" if dialogue[5] == "F" else "exc"
    unused = "fru" if "impro" in dialogue else "xxx"
    hands = {letter: ["ang", glad, "neu", "sad"] for letter in "FM"}
    hands[dialogue[5]].append(unused)  # the wearer of the markers has a fifth turn
    for hand in hands.values():
        rng.shuffle(hand)
    turns = [
        (number, letter, label)
        for letter, hand in hands.items()
        for number, label in enumerate(hand)
    ]
    return [(f"{dialogue}_{letter}{number:03d}", label) for number, letter, label in sorted(turns)]


def _recording(root: Path, line: _Line, seed: int) -> Recording:
    speaker = line.id[:5] + line.id.rpartition("_")[2][0]
    rng = random.Random(f"iemocap/{seed}/{line.id}")
    voice = express(_SPEAKERS[speaker], _FEELINGS[line.label].emotion, rng)
    return Recording(line.path(root), line.text, voice)


def _timed(root: Path, lines: list[_Line], seed: int) -> list[Turn]:
    """Place the turns of a dialogue one after the other, with pauses, and rate them."""
    turns, clock_s = [], 0.0
    for line in lines:
        rng = random.Random(f"rating/{seed}/{line.id}")
        start_s = clock_s + rng.uniform(0.2, 1.5)
        clock_s = start_s + seconds_of(line.path(root))
        ratings = _ratings(line.label, rng), _ratings(line.label, rng)
        turns.append(Turn(line.id, line.label, line.text, start_s, clock_s, ratings))
    return turns


def _ratings(label: str, rng: random.Random) -> tuple[int, int, int]:
    valence, activation, dominance = (
        min(max(round(rng.gauss(mean, 0.5)), 1), 5) for mean in _FEELINGS[label].dimensions
    )
    return valence, activation, dominance


def _write_annotation(root: Path, dialogue: str, turns: list[Turn]) -> None:
    folder = _session(root, dialogue) / "dialog"
    evaluation = folder / "EmoEvaluation"
    contents = {
        evaluation / f"{dialogue}.txt": evaluation_text(turns).encode(),
        evaluation / "Categorical" / f"{dialogue}_e2_cat.txt": categorical_text(turns).encode(),
        folder / "transcriptions" / f"{dialogue}.txt": transcription_text(turns).encode(),
        # Left behind by the computer the corpus was packed on.
        evaluation / f"._{dialogue}.txt": _APPLE_DOUBLE,
    }
    for path, content in contents.items():
        write_atomically(path, content)
