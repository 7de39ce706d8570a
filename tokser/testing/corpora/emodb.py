"""A small synthetic corpus in EmoDB's own layout: ten German speakers, seven emotions."""

import random
from collections.abc import Sequence
from pathlib import Path

from tokser.corpora.transcript import emodb_sentences
from tokser.errors import InputError
from tokser.provenance import write_atomically
from tokser.testing.corpora.prosody import express
from tokser.testing.corpora.recording import Recording, SyntheticCorpus, write_recordings
from tokser.testing.corpora.voice import Voice

__all__ = ["write_emodb"]

_DEFAULT_SENTENCES = ("a01", "a05", "b03")
_EMOTIONS = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "T": "sadness",
    "N": "neutral",
}
_SPEAKERS = {
    "03": Voice("de+m3", 172, 45, 50, 95),
    "08": Voice("de+f2", 178, 42, 52, 90),
    "09": Voice("de+f4", 165, 52, 46, 85),
    "10": Voice("de+m1", 182, 50, 55, 105),
    "11": Voice("de+m7", 160, 40, 45, 80),
    "12": Voice("de+m4", 170, 58, 50, 90),
    "13": Voice("de+f1", 186, 48, 56, 100),
    "14": Voice("de+f5", 168, 44, 48, 95),
    "15": Voice("de+m5", 176, 55, 58, 85),
    "16": Voice("de+f3", 162, 40, 50, 105),
}


def write_emodb(root: Path, *, sentences: Sequence[str] | None = None, seed: int = 0) -> None:
    """Write synthetic emotional speech as EmoDB has it: `wav/03a01Fa.wav`, `erkennung.txt`.

    Each of ten speakers says each sentence in each of seven emotions, which differ in rate,
    pitch, pitch range and loudness. A second call is instant, and an interrupted one continues.

    Args:
        root: The corpus's folder, the one that holds `wav`.
        sentences: Codes of the published sentences, such as `a01`; three of them by default.
        seed: Determines how much every utterance strays from its emotion's usual prosody.

    Raises:
        InputError: `root` contains other files, or a code is unknown or given twice.
        MissingPackageError: espeakng-loader is not installed.
    """
    codes = _DEFAULT_SENTENCES if sentences is None else tuple(sentences)
    if not codes or len(set(codes)) < len(codes) or not set(codes) <= set(emodb_sentences()):
        raise InputError(
            "sentences",
            expected=f"different codes out of {', '.join(emodb_sentences())}",
            got=", ".join(codes) or "none",
            remedy="Name sentences by their codes.",
        )
    corpus = SyntheticCorpus(root, {"corpus": "emodb", "sentences": sorted(codes), "seed": seed})
    if corpus.is_finished:
        return
    names = [
        f"{speaker}{code}{letter}a"
        for speaker in _SPEAKERS
        for code in sorted(codes)
        for letter in sorted(_EMOTIONS)
    ]
    recordings = [_recording(root / "wav" / f"{name}.wav", seed) for name in names]
    write_recordings(recordings, description="Speaking EmoDB")
    write_atomically(root / "erkennung.txt", _listening_test(names, seed))
    corpus.finish()


def _recording(path: Path, seed: int) -> Recording:
    speaker, code, letter = path.stem[:2], path.stem[2:5], path.stem[5]
    rng = random.Random(f"emodb/{seed}/{path.stem}")
    voice = express(_SPEAKERS[speaker], _EMOTIONS[letter], rng)
    return Recording(path, emodb_sentences()[code], voice)


def _listening_test(names: list[str], seed: int) -> bytes:
    """Invent recognition and naturalness, in per cent, in the format of the real file."""
    lines = ["Nr.\tSatz\terkannt\tnatuerlich\n"]
    for number, name in enumerate(names, start=1):
        rng = random.Random(f"erkennung/{seed}/{name}")
        num_listeners = 20 if name[2] == "a" else 21
        recognised = _percent(rng.randint(12, num_listeners), num_listeners)
        natural = _percent(rng.randint(8, num_listeners), num_listeners)
        lines.append(f"{number}\xa0\xa0\t{name}.wav\t{recognised}\t{natural}\n")
    return "".join(lines).encode("latin-1")


def _percent(count: int, total: int) -> str:
    return f"{100 * count / total:.2f}".replace(".", ",") + 5 * "\xa0"
