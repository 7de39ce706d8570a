import math

import pytest
import torch
from torch import nn

from tokser.errors import RunError
from tokser.pretrain.batches import Batch, DevBatch
from tokser.pretrain.metrics import HEADLINE
from tokser.pretrain.paper import PaperAligner
from tokser.pretrain.rates import DevUnits
from tokser.pretrain.retrieval import retrieve, within_utterance_matches
from tokser.pretrain.validation import Validation

TOKENS, FRAMES = [3, 4], [9, 8]


def nothing(batch):
    """Finds no row at fault."""


@pytest.fixture
def part(inputs):
    """A dev batch in which two tokens of the first utterance are the same word."""

    def make(seed: int) -> DevBatch:
        given = inputs(TOKENS, FRAMES, seed=seed)
        given.queries[1] = given.queries[0]
        teacher = torch.randn(7, 4, generator=torch.Generator().manual_seed(seed))
        matched = Batch([f"a{seed}", f"b{seed}"], given, teacher)
        other = inputs(TOKENS, FRAMES, seed=seed + 50)
        return DevBatch(matched, matched._replace(inputs=given._replace(speech=other.speech)))

    return make


@torch.no_grad()
def test_scores_are_those_of_all_batches_together(part):
    torch.manual_seed(0)
    aligner, text_only, parts = PaperAligner(4, 6), nn.Linear(4, 4), [part(1), part(2)]
    validation = Validation(nothing)
    for _ in range(2):  # the second validation forgets the first
        for batch in parts:
            validation.add(aligner, text_only, batch)
        scores = validation.scores()
    teacher = torch.cat([batch.matched.teacher for batch in parts])
    students = {
        "": torch.cat([aligner(batch.matched.inputs) for batch in parts]),
        "_mismatched": torch.cat([aligner(batch.mismatched.inputs) for batch in parts]),
        "_text_only": torch.cat([text_only(batch.matched.inputs.queries) for batch in parts]),
    }
    for suffix, student in students.items():
        assert scores[f"{HEADLINE}{suffix}"] == retrieve(student, teacher).match_rate
        within = within_utterance_matches(student, teacher, TOKENS * 2)
        assert scores[f"dev_match_rate_within{suffix}"] == float(within.double().mean())
    back = retrieve(teacher, students[""])
    assert scores["dev_match_rate_back"] == back.match_rate
    assert scores["speech_gain"] == scores[HEADLINE] - scores[f"{HEADLINE}_mismatched"]
    for of in ("", "_within"):
        text_only = scores[f"{HEADLINE}{of}"] - scores[f"{HEADLINE}{of}_text_only"]
        assert scores[f"speech_gain_text_only{of}"] == text_only
    # Of 14 queries two are others, with teachers of their own.
    assert scores["dev_text_only_upper_bound"] == pytest.approx(12 / 14)
    assert scores["dev_chance"] == pytest.approx(1 / 14)
    assert scores["dev_chance_within"] == pytest.approx(4 / 14)


@torch.no_grad()
def test_repeated_sentences_do_not_lower_the_upper_bound(part):
    batch = part(1)
    validation = Validation(nothing)
    for _ in range(3):
        validation.add(PaperAligner(4, 6), nn.Linear(4, 4), batch)
    scores = validation.scores()
    assert scores["dev_text_only_upper_bound"] == pytest.approx(6 / 7)
    assert scores["dev_match_rate_text_only"] <= scores["dev_text_only_upper_bound"]


@torch.no_grad()
def test_every_rate_and_gain_has_an_interval_over_the_units(part):
    batches, rates = [part(seed) for seed in range(4)], {}
    names = [name for batch in batches for name in batch.matched.ids]
    speakers = DevUnits({name: number // 2 for number, name in enumerate(names)}, True)
    few = DevUnits({name: number % 3 for number, name in enumerate(names)}, True)
    torch.manual_seed(0)
    aligner, baseline = PaperAligner(4, 6), nn.Linear(4, 4)
    for key, units in {"utterances": None, "speakers": speakers, "few": few}.items():
        validation = Validation(nothing, units)
        for batch in batches:
            validation.add(aligner, baseline, batch)
        rates[key] = validation.scores()
    bounded = {name.removesuffix("_low") for name in rates["few"] if name.endswith("_low")}
    kinds = ("dev_match_rate", "speech_gain")
    assert bounded == {name for name in rates["few"] if name.startswith(kinds)} - {
        f"{name}_{end}" for name in bounded for end in ("low", "high")
    }
    assert len(bounded) == 12
    for name in bounded:
        assert rates["utterances"][name] == rates["speakers"][name] == rates["few"][name]
        for key in ("utterances", "speakers"):
            assert rates[key][f"{name}_low"] <= rates[key][name] <= rates[key][f"{name}_high"]
        assert math.isnan(rates["few"][f"{name}_low"])
    told = [(r["dev_num_utterances"], r["dev_num_speakers"]) for r in rates.values()]
    assert told == [(8, 0), (8, 4), (8, 3)]


@torch.no_grad()
def test_without_the_text_only_map_its_columns_are_not_there(part):
    validation = Validation(nothing)
    validation.add(PaperAligner(4, 6), None, part(1))
    names = list(validation.scores())
    assert [name for name in names if "text_only" in name] == ["dev_text_only_upper_bound"]


@torch.no_grad()
def test_a_student_that_is_not_finite_asks_which_row_is_at_fault(part):
    def find(batch):
        raise RunError(batch.ids[0], expected="finite", got="NaN", remedy="Extract again.")

    batch = part(1)
    batch.matched.inputs.speech[0, 2] = torch.nan
    with pytest.raises(RunError, match="a1: expected finite"):
        Validation(find).add(PaperAligner(4, 6), None, batch)


@torch.no_grad()
def test_attention_is_measured_on_a_limited_number(part, monkeypatch):
    monkeypatch.setattr("tokser.pretrain.validation._MOST_MAPS", 3)
    aligner, seen = PaperAligner(4, 6), []
    monkeypatch.setattr(
        aligner, "attention_map", lambda inputs: seen.append(1) or torch.full((2, 4, 9), 1 / 9)
    )
    validation = Validation(nothing)
    for seed in range(5):
        validation.add(aligner, None, part(seed))
    assert len(seen) == 4  # two batches, matched and mismatched speech
    validation.scores()
    validation.add(aligner, None, part(0))
    assert len(seen) == 6
