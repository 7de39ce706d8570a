import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from tokser.pretrain.retrieval import (
    find_equal,
    query_upper_bound,
    ranks,
    retrieve,
    within_utterance_matches,
)


def tokens(seed: int, count: int, dim: int = 6, noise: float = 1.0):
    g = torch.Generator().manual_seed(seed)
    teacher = torch.randn(count, dim, generator=g, dtype=torch.float64)
    student = teacher + noise * torch.randn(count, dim, generator=g, dtype=torch.float64)
    return student, teacher


@given(seed=st.integers(0, 2**16), count=st.integers(6, 60), block_rows=st.integers(1, 70))
@settings(max_examples=25, deadline=None)
def test_scores_equal_scikit_learns_neighbours(seed, count, block_rows):
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
    assert scores.matched.tolist() == (rank == 1).tolist()


def test_no_block_holds_more_rows_than_it_may(monkeypatch):
    student, teacher = tokens(0, 50)
    seen = []
    multiply = torch.Tensor.__matmul__
    monkeypatch.setattr(
        torch.Tensor, "__matmul__", lambda a, b: seen.append(len(a)) or multiply(a, b)
    )
    retrieve(student, teacher, block_rows=8)
    assert max(seen) == 8


def test_a_constant_student_matches_nothing():
    _, teacher = tokens(0, 20)
    assert retrieve(torch.zeros_like(teacher), teacher).match_rate == 0
    assert ranks(torch.zeros_like(teacher), teacher).tolist() == [20] * 20


def test_equal_teacher_tokens_are_no_candidates():
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
    found = within_utterance_matches(student, teacher, counts)
    assert found.shape == (sum(counts),)
    assert int(found.sum()) == hits


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("block_rows", [1, 7, 64, 1024])
def test_equal_teacher_tokens_tie(dtype, block_rows):
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


def said(sentences: list[str], dim: int = 16):
    """Queries and teachers of sentences: a row per word, and per word of a distinct sentence."""
    g = torch.Generator().manual_seed(0)
    words = {w: torch.randn(dim, generator=g) for w in sorted({w for s in sentences for w in s})}
    own = {s: torch.randn(len(s), dim, generator=g) for s in sorted(set(sentences))}
    queries = torch.stack([words[w] for s in sentences for w in s])
    # A sentence read twice has the same activations but for float16's rounding.
    teacher = torch.cat([own[s] * (1 + 1e-7 * i) for i, s in enumerate(sentences)])
    return queries, teacher


@pytest.mark.parametrize(
    ("sentences", "attainable"),
    [
        (["abc", "abd"], 4 / 6),  # a, b, c, d: one each
        (["abc", "abc"], 6 / 6),  # one sentence, read twice: all of it
        (["abc", "abc", "abd"], 7 / 9),  # a and b of the first two, c twice, d
        (["aa"], 1 / 2),  # one word at two places of a sentence
        (["ab", "ab", "ac", "ac", "ac", "a"], (3 + 2 + 3) / 11),
    ],
)
def test_the_upper_bound_of_query_maps_is_reached(sentences, attainable):
    queries, teacher = said(sentences)
    assert query_upper_bound(queries, teacher) == pytest.approx(attainable)
    assert query_upper_bound(queries, teacher, find_equal(teacher)) == pytest.approx(attainable)
    # Brute force: a map says any teacher token for each query, independently of other queries.
    distinct, of_query = torch.unique(queries, dim=0, return_inverse=True)
    best = sum(
        max(
            float(retrieve(say.expand_as(teacher), teacher).matched[of_query == query].sum())
            for say in teacher
        )
        for query in range(len(distinct))
    )
    assert best / len(teacher) == pytest.approx(attainable)


@given(seed=st.integers(0, 2**16))
@settings(max_examples=20, deadline=None)
def test_the_upper_bound_counts_the_largest_group_of_each_query(seed):
    rng = np.random.default_rng(seed)
    queries, teachers = rng.integers(5, size=40), rng.integers(6, size=40)
    rows = torch.randn(6, 12, generator=torch.Generator().manual_seed(seed))
    found = query_upper_bound(torch.eye(5)[queries], rows[teachers])
    groups = [np.bincount(teachers[queries == query]).max() for query in set(queries)]
    assert found == pytest.approx(sum(groups) / 40)
