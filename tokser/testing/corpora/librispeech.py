"""A small synthetic corpus in LibriSpeech's own layout: read English, twelve speakers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokser.errors import InputError
from tokser.provenance import write_atomically
from tokser.testing.corpora.recording import (
    Recording,
    SyntheticCorpus,
    seconds_of,
    write_recordings,
)
from tokser.testing.corpora.sentences import english_sentences
from tokser.testing.corpora.voice import Voice

__all__ = ["Reader", "Utterance", "write_librispeech", "write_utterances"]

_TRAIN, _DEV = "train-clean-100", "dev-clean"
_CHAPTER_SIZE = 8


@dataclass(frozen=True)
class Reader:
    """Who reads, in which part of the corpus.

    Args:
        id: A number, as LibriSpeech has it.
        sex: `F` or `M`.
        subset: The part, such as `train-clean-100`.
        voice: How it sounds.
    """

    id: str
    sex: str
    subset: str
    voice: Voice


# Numbers above the real corpus's; one dev reader stands early, so that small corpora have both
# parts.
_READERS = (
    Reader("9001", "F", _TRAIN, Voice("en-us+f1", 165, 45, 50, 95)),
    Reader("9002", "M", _DEV, Voice("en-us+m1", 170, 50, 55, 100)),
    Reader("9003", "M", _TRAIN, Voice("en-us+m3", 155, 40, 45, 90)),
    Reader("9004", "F", _TRAIN, Voice("en-gb-x-rp+f2", 175, 50, 55, 85)),
    Reader("9005", "M", _TRAIN, Voice("en-gb-scotland+m2", 160, 55, 60, 105)),
    Reader("9006", "F", _DEV, Voice("en-us+f4", 160, 55, 45, 90)),
    Reader("9007", "F", _TRAIN, Voice("en-us+f3", 185, 40, 60, 100)),
    Reader("9008", "M", _TRAIN, Voice("en-us+m7", 180, 45, 40, 80)),
    Reader("9009", "F", _TRAIN, Voice("en+f5", 150, 60, 50, 110)),
    Reader("9010", "M", _TRAIN, Voice("en-029+m4", 165, 60, 55, 95)),
    Reader("9011", "M", _TRAIN, Voice("en-us+m5", 190, 35, 50, 115)),
    Reader("9012", "F", _TRAIN, Voice("en-gb-x-rp+Andrea", 145, 30, 45, 75)),
)


@dataclass(frozen=True)
class Utterance:
    """A sentence of a chapter that is read.

    Args:
        reader: Who reads.
        chapter: A number, another one for every chapter.
        number: Place within the chapter, from 0 on.
        text: The sentence, in lower case and without punctuation.
    """

    reader: Reader
    chapter: str
    number: int
    text: str

    @property
    def id(self) -> str:
        """Reader, chapter and number."""
        return f"{self.reader.id}-{self.chapter}-{self.number:04d}"

    def folder(self, root: Path) -> Path:
        """The chapter's folder."""
        return root / self.reader.subset / self.reader.id / self.chapter

    def path(self, root: Path) -> Path:
        """The recording's file."""
        return self.folder(root) / f"{self.id}.flac"


def write_librispeech(root: Path, *, num_utterances: int = 160, seed: int = 0) -> None:
    """Write synthetic read speech as LibriSpeech has it: FLAC, `.trans.txt`, SPEAKERS.TXT.

    Twelve readers, six of each sex, take turns; two of them make `dev-clean`, the others
    `train-clean-100`. A second call is instant, and an interrupted one continues.

    Args:
        root: The corpus's folder, the one that holds `train-clean-100`.
        num_utterances: Utterances over both parts, at least 2.
        seed: Determines the sentences, and so every byte.

    Raises:
        InputError: `root` contains other files, or `num_utterances` is too small.
        MissingPackageError: espeakng-loader is not installed.
    """
    if num_utterances < 2:
        raise InputError(
            "num_utterances",
            expected="at least 2, one for each part",
            got=str(num_utterances),
            remedy="Ask for more utterances.",
        )
    settings = {"corpus": "librispeech", "num_utterances": num_utterances, "seed": seed}
    write_utterances(root, _plan(num_utterances, seed), settings)


def write_utterances(root: Path, utterances: list[Utterance], settings: dict[str, Any]) -> None:
    """Write any utterances in LibriSpeech's layout; an interrupted call continues.

    Args:
        root: The corpus's folder.
        utterances: What is read.
        settings: What determined them, and so every byte.

    Raises:
        InputError: `root` contains other files.
        MissingPackageError: espeakng-loader is not installed.
    """
    corpus = SyntheticCorpus(root, settings)
    if corpus.is_finished:
        return
    recordings = [
        Recording(utterance.path(root), utterance.text.capitalize() + ".", utterance.reader.voice)
        for utterance in utterances
    ]
    write_recordings(recordings, description="Speaking LibriSpeech")
    _write_transcripts(root, utterances)
    _write_speakers(root, utterances)
    corpus.finish()


def _plan(num_utterances: int, seed: int) -> list[Utterance]:
    """Give every sentence a reader in turn, and every reader a new chapter after eight."""
    utterances = []
    for position, text in enumerate(english_sentences(num_utterances, seed=seed)):
        turn, reader = divmod(position, len(_READERS))
        chapter, number = divmod(turn, _CHAPTER_SIZE)
        chapter_id = f"{100_000 + 100 * int(_READERS[reader].id[1:]) + chapter}"
        utterances.append(Utterance(_READERS[reader], chapter_id, number, text))
    return utterances


def _write_transcripts(root: Path, utterances: list[Utterance]) -> None:
    lines: dict[Path, list[str]] = {}
    for utterance in utterances:
        name = f"{utterance.reader.id}-{utterance.chapter}.trans.txt"
        line = f"{utterance.id} {utterance.text.upper()}\n"
        lines.setdefault(utterance.folder(root) / name, []).append(line)
    for path, content in lines.items():
        write_atomically(path, "".join(content).encode())


def _write_speakers(root: Path, utterances: list[Utterance]) -> None:
    seconds: dict[Reader, float] = {}
    for utterance in utterances:
        spoken = seconds_of(utterance.path(root))
        seconds[utterance.reader] = seconds.get(utterance.reader, 0.0) + spoken
    lines = [
        "; Readers of a synthetic corpus in the layout of LibriSpeech; no human voices.\n",
        ";ID  |SEX| SUBSET           |MINUTES| NAME\n",
    ]
    for reader in sorted(seconds, key=lambda reader: reader.id):
        minutes = seconds[reader] / 60
        lines.append(
            f"{reader.id:<4} | {reader.sex} | {reader.subset:<16} | {minutes:<5.2f} | "
            f"espeak-ng {reader.voice.name}\n"
        )
    write_atomically(root / "SPEAKERS.TXT", "".join(lines).encode())
