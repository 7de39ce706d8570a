import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from tokser.pretrain.retrieval import find_equal, ranks, retrieve, within_utterance_match_rate


def tokens(seed: int, count: int, dim: int = 6, noise: float = 1.0):
    g = torch.Generator().manual_seed(seed)
    teacher = torch.randn(count, dim, generator=g, dtype=torch.float64)
    student = teacher + noise * torch.randn(count, dim, generator=g, dtype=torch.float64)
    return student, teacher


@given(seed=st.integers(0, 2**16), count=st.integers(6, 60), block_rows=st.integers(1, 70))
@settings(max_examples=25, deadline=None)
def test_scores_are_those_of_scikit_learns_neighbours_whatever_the_block(seed, count, block_rows):
    student, teacher = tokens(seed, count)
    neighbours = NearestNeighbors(n_neighbors=count, metric="cosine", algorithm="brute")
    order = neighbours.fit(teacher.numpy()).kneighbors(student.numpy(), return_distance=False)
    rank = 1 + np.argmax(order == np.arange(count)[:, None], axis=1)
    scores = retrieve(student, teacher, block_rows)
    assert scores.match_rate == pytest.approx((rank == 1).mean())
    assert scores.mrr == pytest.approx((1 / rank).mean())
    assert scores.recall_at_5 == pytest.approx((rank <= 5).mean())
    assert scores.chance == pytest.approx(1 / count)
    assert scores.num_tokens == count


def test_no_block_holds_more_rows_than_it_may(monkeypatch):
    student, teacher = tokens(0, 50)
    seen = []
    multiply = torch.Tensor.__matmul__
    monkeypatch.setattr(
        torch.Tensor, "__matmul__", lambda a, b: seen.append(len(a)) or multiply(a, b)
    )
    retrieve(student, teacher, block_rows=8)
    assert max(seen) == 8


def test_a_student_that_says_the_same_everywhere_matches_nothing_by_ties():
    _, teacher = tokens(0, 20)
    assert retrieve(torch.zeros_like(teacher), teacher).match_rate == 0
    assert ranks(torch.zeros_like(teacher), teacher).tolist() == [20] * 20


def test_teacher_tokens_of_a_sentence_read_twice_are_neither_right_nor_wrong():
    _, once = tokens(0, 10)
    twice = torch.cat([once, once * (1 + 1e-7)])
    scores = retrieve(twice, twice)
    assert (scores.match_rate, scores.mrr) == (1, 1)
    assert scores.chance == pytest.approx(1 / 19)


def test_equal_tokens_are_found_in_pairs_across_blocks():
    _, once = tokens(0, 10)
    both = torch.cat([once, once[[2, 7]]])
    assert find_equal(both, block_rows=3).tolist() == [[2, 10], [7, 11], [10, 2], [11, 7]]
    assert len(find_equal(once)) == 0


@given(seed=st.integers(0, 2**16), counts=st.lists(st.integers(1, 6), min_size=1, max_size=6))
@settings(max_examples=25, deadline=None)
def test_within_an_utterance_only_its_own_tokens_are_looked_at(seed, counts):
    student, teacher = tokens(seed, sum(counts))
    hits, first = 0, 0
    for count in counts:
        for i in range(first, first + count):
            cosines = [
                float(torch.cosine_similarity(student[i], teacher[j], dim=0))
                for j in range(first, first + count)
            ]
            hits += int(np.argmax(cosines) == i - first)
        first += count
    found = within_utterance_match_rate(student, teacher, counts)
    assert found == pytest.approx(hits / sum(counts))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("block_rows", [1, 7, 64, 1024])
def test_of_two_equal_teacher_tokens_each_stands_in_the_others_way(dtype, block_rows):
    # A matrix product may round equal columns by an ulp apart; a tie must stay one.
    g = torch.Generator().manual_seed(0)
    once = torch.randn(333, 96, generator=g).to(dtype)
    teacher = torch.cat([once, once[torch.randperm(333, generator=g)]])
    assert set(ranks(teacher, teacher, block_rows).tolist()) == {2}


def test_the_own_token_counts_once_however_often_it_is_asked():
    g = torch.Generator().manual_seed(0)
    teacher = torch.randn(500, 64, generator=g)
    for block_rows in (1, 3, 100, 499, 500, 4096):
        assert set(ranks(teacher, teacher, block_rows).tolist()) == {1}


def test_a_tie_with_another_token_is_no_match():
    teacher = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    between = torch.tensor([[1.0, 1.0], [1.0, 1.0]])
    scores = retrieve(between, teacher)
    assert (scores.match_rate, scores.mrr, scores.recall_at_5) == (0, 0.5, 1)
