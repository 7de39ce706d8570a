import numpy as np
import pytest

from tokser.experiments.splits.similar_speakers import compare_speakers


def corpus(num_speakers=6, each=24, dim=48, voice=1.0, seed=0):
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(num_speakers), each)
    label, said = np.arange(len(who)) % 3, np.arange(len(who)) % 4
    parts = [rng.normal(0, size, (n, dim)) for n, size in ((num_speakers, voice), (3, 3), (4, 3))]
    means = parts[0][who] + parts[1][label] + parts[2][said] + rng.normal(0, 1, (len(who), dim))
    names = [f"s{i}" for i in who]
    return means.astype(np.float32), names, [f"l{i}" for i in label], [f"t{i}" for i in said]


def test_speakers_of_their_own_are_not_alike():
    found = compare_speakers(*corpus())
    assert found.pairs == ()
    assert found.not_compared == ""
    assert found.num_compared == 6
    assert found.of_one == pytest.approx(1, abs=0.1)
    assert found.nearest_below < found.threshold


@pytest.mark.parametrize("by", ["half", "few", "label"])
def test_one_speaker_under_two_names_is_found(by):
    means, names, labels, sentences = corpus()
    own = [i for i, name in enumerate(names) if name == "s2"]
    second = {"half": own[::2], "few": own[:8], "label": [i for i in own if labels[i] != "l0"]}[by]
    for place in second:
        names[place] = "S2"
    (pair,) = compare_speakers(means, names, labels, sentences).pairs
    assert (pair.first, pair.second) == ("S2", "s2")
    assert pair.similarity > 0.7


def test_common_emotions_or_texts_are_no_common_voice():
    means, names, labels, sentences = corpus()
    keep = [i for i, n in enumerate(names) if n not in ("s0", "s1") or labels[i] == "l1"]
    args = ([column[i] for i in keep] for column in (names, labels, sentences))
    assert compare_speakers(means[keep], *args).pairs == ()


def test_a_feature_without_voices_says_so():
    found = compare_speakers(*corpus(voice=0.0))
    assert found.pairs == ()
    assert "does not tell speakers apart" in found.not_compared


def test_too_few_speakers_or_utterances_are_not_compared():
    means, names, labels, sentences = corpus()
    assert (
        "fewer than 3"
        in compare_speakers(means[:48], names[:48], labels[:48], sentences[:48]).not_compared
    )
    none = compare_speakers(means, [""] * len(names), labels, sentences)
    assert "fewer than 3" in none.not_compared
