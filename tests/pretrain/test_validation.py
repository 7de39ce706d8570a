import pytest
import torch
from torch import nn

from tokser.errors import RunError
from tokser.pretrain.batches import Batch, DevBatch
from tokser.pretrain.report import ReportAligner
from tokser.pretrain.retrieval import retrieve, within_utterance_match_rate
from tokser.pretrain.validation import HEADLINE, Validation

TOKENS, FRAMES = [3, 4], [9, 8]


def nothing(batch):
    """Finds no row at fault."""


@pytest.fixture
def part(heard):
    """A dev batch in which two tokens of the first utterance are the same word."""

    def make(seed: int) -> DevBatch:
        given = heard(TOKENS, FRAMES, seed=seed)
        given.queries[1] = given.queries[0]
        teacher = torch.randn(7, 4, generator=torch.Generator().manual_seed(seed))
        right = Batch([f"a{seed}", f"b{seed}"], given, teacher)
        other = heard(TOKENS, FRAMES, seed=seed + 50)
        return DevBatch(right, right._replace(heard=given._replace(speech=other.speech)))

    return make


@torch.no_grad()
def test_scores_are_those_of_all_batches_together(part):
    torch.manual_seed(0)
    aligner, deaf, parts = ReportAligner(4, 6), nn.Linear(4, 4), [part(1), part(2)]
    validation = Validation(nothing)
    for _ in range(2):  # the second validation forgets the first
        for batch in parts:
            validation.add(aligner, deaf, batch)
        scores = validation.scores()
    teacher = torch.cat([batch.right.teacher for batch in parts])
    students = {
        "": torch.cat([aligner(batch.right.heard) for batch in parts]),
        "_shuffled": torch.cat([aligner(batch.wrong.heard) for batch in parts]),
        "_text_only": torch.cat([deaf(batch.right.heard.queries) for batch in parts]),
    }
    for suffix, student in students.items():
        assert scores[f"{HEADLINE}{suffix}"] == retrieve(student, teacher).match_rate
        within = within_utterance_match_rate(student, teacher, TOKENS * 2)
        assert scores[f"dev_match_rate_within{suffix}"] == within
    back = retrieve(teacher, students[""])
    assert scores["dev_match_rate_back"] == back.match_rate
    assert scores["speech_gain"] == scores[HEADLINE] - scores[f"{HEADLINE}_shuffled"]
    assert scores["dev_ceiling_text_only"] == pytest.approx(12 / 14)  # of 14 queries two are others
    assert scores["dev_chance"] == pytest.approx(1 / 14)
    assert scores["dev_chance_within"] == pytest.approx(4 / 14)


@torch.no_grad()
def test_without_the_text_only_map_its_columns_are_not_there(part):
    validation = Validation(nothing)
    validation.add(ReportAligner(4, 6), None, part(1))
    assert not any("match_rate_text_only" in name for name in validation.scores())


@torch.no_grad()
def test_a_student_that_is_not_finite_asks_which_row_is_at_fault(part):
    def find(batch):
        raise RunError(batch.ids[0], expected="finite", got="NaN", remedy="Extract again.")

    batch = part(1)
    batch.right.heard.speech[0, 2] = torch.nan
    with pytest.raises(RunError, match="a1: expected finite"):
        Validation(find).add(ReportAligner(4, 6), None, batch)


@torch.no_grad()
def test_attention_is_looked_at_for_a_limited_number_of_utterances(part, monkeypatch):
    monkeypatch.setattr("tokser.pretrain.validation._MOST_MAPS", 3)
    aligner, seen = ReportAligner(4, 6), []
    monkeypatch.setattr(
        aligner, "attention_map", lambda heard: seen.append(1) or torch.full((2, 4, 9), 1 / 9)
    )
    validation = Validation(nothing)
    for seed in range(5):
        validation.add(aligner, None, part(seed))
    assert len(seen) == 4  # two batches, right and wrong speech
    validation.scores()
    validation.add(aligner, None, part(0))
    assert len(seen) == 6
