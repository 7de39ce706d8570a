"""Five thousand synthetic English utterances in LibriSpeech's layout, for an aligner to learn from.

The sentences are those of tokser's own grammar, with a vocabulary of 1,500 words: the grammar's,
and frequent words of the teacher's vocabulary, told apart by their endings. Twenty readers train,
four others are held out; nobody reads a sentence that another reads.
"""

from pathlib import Path

from tokser.testing.corpora.librispeech import Reader, Utterance, write_utterances
from tokser.testing.corpora.sentences import english_sentences
from tokser.testing.corpora.voice import Voice

DEV, SMALL, LARGE = "dev-clean", "train-clean-100", "train-clean-360"
COUNTS = {DEV: 200, SMALL: 1_000, LARGE: 4_000}
"""Utterances of every part; the small training part stands alone or is joined by the large one."""

CHAPTER_SIZE = 50
ENDINGS = {
    "adjective": (("ous", "ful", "able", "less"), 150),
    "look": (("ous", "ive", "al"), 150),
    "person": (("ist", "or", "ian"), 120),
    "thing": (("tion", "ment", "ness", "ance", "ence", "ity"), 350),
    "deed": (("ed",), 300),
    "manner": (("ly",), 120),
}
"""By slot of the grammar: endings of words that fit it, and how many of them at most."""

MISFITS = """need united july italy family assembly supply daily holy billy indeed hundred door
    floor poor major senior prior junior minor taylor victor connor christ exist list waist assist
    consist resist indoor outdoor labor sector factor corridor error armor tenor
    ecuador salvador hence apply kelly emily regardless"""
"""Words whose ending deceives."""


def readers(part: str) -> list[Reader]:
    """Readers of a part: voices of espeak-ng that no other part has."""
    languages = ("en-us", "en-gb-x-rp", "en-gb-scotland", "en", "en-029")
    variants = {
        DEV: ("f4", "m1", "f2", "m6"),
        SMALL: ("f1", "m3", "f3", "m7", "f5", "m5", "Andrea", "m2", "m4", "m8"),
        LARGE: ("f1", "m3", "f3", "m7", "f5", "m5", "Andrea", "m2", "m4", "m8") * 2,
    }[part]
    first = {DEV: 8001, SMALL: 9001, LARGE: 9001}[part]
    made = []
    for place, variant in enumerate(variants):
        voice = Voice(
            f"{languages[(place + place // 10) % 5]}+{variant}",
            rate_wpm=145 + 7 * (place % 8),
            pitch=35 + 5 * (place % 7),
            pitch_range=40 + 6 * (place % 5),
            volume=80 + 7 * (place % 6),
        )
        sex = "M" if variant.startswith("m") else "F"
        made.append(Reader(str(first + place), sex, part, voice))
    return made


def more_words(vocabulary: Path) -> dict[str, list[str]]:
    """Frequent words of a teacher's `vocab.txt`, whose order is that of frequency, by slot."""
    misfits = frozenset(MISFITS.split())
    lines = vocabulary.read_text(encoding="utf-8").split()
    words = [word for word in lines if word.isascii() and word.isalpha() and 5 <= len(word) <= 11]
    words = [word for word in words if word not in misfits]
    return {
        slot: [word for word in words if word.endswith(endings)][:most]
        for slot, (endings, most) in ENDINGS.items()
    }


def write_corpus(root: Path, vocabulary: Path) -> None:
    """Write all parts; a second call is instant, and one that was interrupted goes on."""
    total = sum(COUNTS.values())
    sentences = iter(english_sentences(total, seed="learn", more_words=more_words(vocabulary)))
    utterances = []
    for part, count in COUNTS.items():
        who = readers(part)
        for position in range(count):
            turn, place = divmod(position, len(who))
            chapter, number = divmod(turn, CHAPTER_SIZE)
            chapter_id = f"{100 * int(who[place].id) + list(COUNTS).index(part) * 20 + chapter}"
            utterances.append(Utterance(who[place], chapter_id, number, next(sentences)))
    write_utterances(root, utterances, {"corpus": "learn", "counts": COUNTS, "version": 1})
