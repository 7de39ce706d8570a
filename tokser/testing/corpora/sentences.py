"""English sentences from a small generative grammar: plain, varied, never the same twice."""

import itertools
import random
from collections.abc import Mapping, Sequence

from tokser.errors import InputError

__all__ = ["english_sentences"]

_MOST_SENTENCES = 100_000

_WORDS: dict[str, tuple[str, ...]] = {
    kind: tuple(words.split())
    for kind, words in {
        "determiner": "the a this that every another her his their our my one",
        "adjective": """old young tall quiet clever tired gentle proud careless honest lonely
            nervous patient stubborn cheerful curious famous foolish generous hungry jealous kind
            lazy polite rude serious shy silent strange strong weary wild wise brave clumsy""",
        "person": """farmer teacher sailor doctor painter soldier merchant brother sister neighbour
            stranger captain student servant widow judge baker hunter poet gardener driver nurse
            king queen princess thief traveller musician carpenter lawyer priest child grandmother
            uncle cousin writer guard cook tailor fisherman""",
        "look": """small heavy broken golden wooden dirty empty bright faded narrow enormous round
            green yellow purple silver rusty fragile painted forgotten frozen hollow warm damp
            polished borrowed expensive plain secret blue""",
        "thing": """letter basket candle hammer mirror blanket bottle ladder violin kettle lantern
            map suitcase carpet clock curtain diary envelope feather garment helmet jewel kite
            necklace newspaper parcel picture ribbon rope saddle shovel spoon table teapot telescope
            umbrella vase wagon whistle window barrel bell bicycle button chair coin drum""",
        "deed": """carried dropped found painted repaired followed bought borrowed counted covered
            described discovered dragged examined forgot gathered guarded hid ignored lifted lost
            noticed opened ordered polished promised recognised refused remembered sold stole
            touched watched wrapped needed admired cleaned""",
        "manner": """slowly quickly carefully quietly gladly suddenly bravely calmly eagerly
            gently happily loudly nearly often patiently politely rarely sadly secretly softly
            warmly wisely clumsily proudly""",
        "preposition": "behind near beside under beyond across inside outside above against",
        "place": """river mountain village garden kitchen harbour forest station bridge church
            market castle valley meadow cellar library island tower barn school hospital theatre
            prison palace cottage fountain orchard railway desert lake fence gate staircase corridor
            cave beach""",
        "time": """yesterday today tonight later afterwards meanwhile finally once sometimes
            usually nowadays eventually""",
        "moment": """morning evening afternoon winter summer autumn storm festival war dinner
            journey funeral wedding lesson concert harvest""",
        "link": "while because although before after until since whenever",
        "act": """waited laughed slept shouted wept smiled listened whispered travelled danced
            sang vanished worked rested argued prayed hesitated returned trembled escaped complained
            wondered""",
    }.items()
}

_PATTERNS = tuple(
    pattern.split()
    for pattern in (
        "{determiner} {person} {deed} {determiner} {thing} {preposition} {determiner} {place}",
        "{time} {determiner} {adjective} {person} {deed} {determiner} {look} {thing} {preposition} "
        "{determiner} {place}",
        "{determiner} {person} {manner} {deed} {determiner} {thing} {preposition} {determiner} "
        "{look} {place}",
        "during {determiner} {moment} {determiner} {adjective} {person} {manner} {deed} "
        "{determiner} {thing}",
        "{determiner} {person} {act} {link} {determiner} {adjective} {person} {deed} {determiner} "
        "{look} {thing}",
        "{link} {determiner} {person} {act} {manner} {determiner} {person} {deed} {determiner} "
        "{thing} {preposition} {determiner} {place}",
        "{time} {determiner} {person} and {determiner} {adjective} {person} {act} {manner} "
        "{preposition} {determiner} {place}",
        "nobody {deed} {determiner} {look} {thing} {link} {determiner} {person} {act}",
        "{time} {determiner} {adjective} {person} {manner} {deed} {determiner} {look} {thing} "
        "{preposition} {determiner} {place} {link} {determiner} {person} {act}",
        "{preposition} {determiner} {look} {place} {determiner} {person} {deed} {determiner} "
        "{thing} and {manner} {act}",
    )
)


def english_sentences(
    count: int, *, seed: int | str = 0, more_words: Mapping[str, Sequence[str]] | None = None
) -> list[str]:
    """Make up `count` different sentences of 8 to 16 words, in lower case, without punctuation.

    Args:
        count: How many, at most 100,000.
        seed: The same seed gives the same sentences, and more of them only adds to the end.
        more_words: Words beside the grammar's own, by slot: `adjective`, `person`, `look`, `thing`,
            `deed`, `manner`, `place`, `act`, ...

    Raises:
        InputError: `count` is below 0 or more than the grammar is good for, or a slot is unknown.
    """
    if not 0 <= count <= _MOST_SENTENCES:
        raise InputError(
            "count",
            expected=f"0 to {_MOST_SENTENCES} sentences",
            got=str(count),
            remedy="Ask for fewer.",
        )
    words = _words(more_words or {})
    rng = random.Random(f"sentences/{seed}")
    made: dict[str, None] = {}
    while len(made) < count:
        made.setdefault(_sentence(rng, words))
    return list(made)


def _words(more: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    unknown = sorted(set(more) - set(_WORDS))
    if unknown:
        raise InputError(
            "more_words",
            expected=f"slots of the grammar: {', '.join(_WORDS)}",
            got=", ".join(unknown),
            remedy="Name slots of the grammar.",
        )
    return {slot: (*own, *more.get(slot, ())) for slot, own in _WORDS.items()}


def _sentence(rng: random.Random, choices: Mapping[str, Sequence[str]]) -> str:
    words = [
        rng.choice(choices[slot[1:-1]]) if slot.startswith("{") else slot
        for slot in rng.choice(_PATTERNS)
    ]
    for position, (word, following) in enumerate(itertools.pairwise(words)):
        if word == "a" and (following[0] in "aeiou" or following == "honest"):
            words[position] = "an"
    return " ".join(words)
