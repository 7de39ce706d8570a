import random
import statistics
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokser.testing.corpora.prosody import PROSODY, express
from tokser.testing.corpora.voice import VOICE_RANGES, Voice


@given(
    emotion=st.sampled_from(sorted(PROSODY)),
    seed=st.integers(),
    rate_wpm=st.integers(80, 450),
    pitch=st.integers(0, 99),
    pitch_range=st.integers(0, 99),
    volume=st.integers(1, 200),
)
def test_expressed_voices_stay_within_ranges(emotion: str, seed: int, **values: int):
    voice = express(Voice("de+m1", **values), emotion, random.Random(seed))
    assert voice.name == "de+m1"
    for field, (low, high) in VOICE_RANGES.items():
        assert max(low, 1) <= asdict(voice)[field] <= high


def test_the_same_chance_gives_the_same_voice():
    once, again = (express(Voice("de"), "anger", random.Random("x")) for _ in range(2))
    assert once == again


@pytest.mark.parametrize(
    ("field", "more", "less"),
    [
        ("rate_wpm", "anger", "sadness"),
        ("pitch", "fear", "boredom"),
        ("pitch_range", "happiness", "boredom"),
        ("volume", "anger", "sadness"),
    ],
)
def test_emotions_differ_on_average(field: str, more: str, less: str):
    def average(emotion: str) -> float:
        voices = (express(Voice("de"), emotion, random.Random(seed)) for seed in range(50))
        return statistics.mean(asdict(voice)[field] for voice in voices)

    assert average(more) > 1.2 * average(less)


def test_classes_overlap_somewhat():
    rng = random.Random(0)
    anger = [express(Voice("de"), "anger", rng).rate_wpm for _ in range(100)]
    happiness = [express(Voice("de"), "happiness", rng).rate_wpm for _ in range(100)]
    assert min(anger) < max(happiness)
    assert statistics.mean(anger) > statistics.mean(happiness)
