"""One score of all evidence, ranks, flags, and estimated noise."""

import numpy as np
import pandas as pd
import pytest

from tokser.experiments.doubtful_labels.audit import audit_labels
from tokser.experiments.doubtful_labels.evidence import (
    AnnotatorShares,
    NeighbourCounts,
    OutOfFold,
)

CLASSES = ["anger", "neutral", "sadness"]
NUM = 60
WRONG = ["u00", "u07"]


@pytest.fixture(scope="module")
def evidence():
    """Sixty labels, two of which model and neighbours contradict."""
    rng = np.random.default_rng(0)
    ids = pd.Index([f"u{i:02d}" for i in range(NUM)], name="id")
    true = np.arange(NUM) % 3
    labels = pd.Series(np.asarray(CLASSES, dtype=object)[true], index=ids)
    labels[WRONG] = "sadness"  # anger and neutral in truth
    likely = 0.8 * np.eye(3)[true] + 0.2 * rng.dirichlet([1, 1, 1], NUM)
    probabilities = pd.DataFrame(likely, index=ids, columns=CLASSES)
    counts = pd.DataFrame(8 * np.eye(3, dtype=int)[true] + [1, 1, 0], index=ids, columns=CLASSES)
    utterances = pd.DataFrame({"speaker": "s", "path": [f"{i}.wav" for i in ids]}, index=ids)
    predicted = OutOfFold(probabilities, labels, (), "a model")
    neighbours = NeighbourCounts(counts, "whisper/layer-1", ("whisper/layer-1",), True)
    return predicted, neighbours, utterances


def annotators_of(ids, share, shares=None, number=np.nan):
    own = pd.Series(share, index=ids, dtype=float)
    table = pd.DataFrame(1 / 3, index=ids, columns=CLASSES) if shares is None else shares
    numbers = pd.Series(number, index=ids, dtype=float)
    return AnnotatorShares(own, table, numbers, are_complete=shares is not None)


def test_contradicted_labels_come_first_with_suggestions(evidence):
    predicted, neighbours, utterances = evidence
    audit = audit_labels(predicted, neighbours, None, utterances)
    first = audit.doubtful.head(2).set_index("id")
    assert sorted(first.index) == WRONG
    assert first.loc[WRONG, "suggested_label"].tolist() == ["anger", "neutral"]
    assert set(first["flagged_by"]) == {"model, neighbours"}
    assert audit.doubtful["flagged_by"].iloc[2:].eq("").all()
    assert audit.num_flagged == {"model": 2, "neighbours": 2, "two or more": 2}
    assert audit.doubtful["rank"].tolist() == list(range(1, NUM + 1))
    assert audit.doubtful["support"].is_monotonic_increasing


def test_support_is_the_product_of_all_evidence(evidence):
    predicted, neighbours, utterances = evidence
    ids = predicted.labels.index
    shares = pd.DataFrame(np.tile([0.25, 0.75, 0.0], (NUM, 1)), index=ids, columns=CLASSES)
    own = [float(shares.loc[i, label]) for i, label in predicted.labels.items()]
    said = annotators_of(ids, own, shares, number=4)
    table = audit_labels(predicted, neighbours, said, utterances).doubtful.set_index("id")
    plain = (
        predicted.probabilities.to_numpy()
        * ((neighbours.counts.to_numpy() + 1) / (10 + 3))
        * ((4 * shares.to_numpy() + 1 / 3) / 5)
    )
    plain /= plain.sum(axis=1, keepdims=True)
    expected = plain[np.arange(NUM), [CLASSES.index(label) for label in predicted.labels]]
    np.testing.assert_allclose(table.loc[ids, "support"], expected, rtol=1e-9)


def test_annotators_flag_labels_that_others_got_more_often(evidence):
    predicted, neighbours, utterances = evidence
    ids = predicted.labels.index
    shares = pd.DataFrame(np.tile([0.2, 0.4, 0.4], (NUM, 1)), index=ids, columns=CLASSES)
    own = [float(shares.loc[i, label]) for i, label in predicted.labels.items()]
    audit = audit_labels(predicted, neighbours, annotators_of(ids, own, shares), utterances)
    flagged = audit.doubtful[audit.doubtful["flagged_by"].str.contains("annotators")]
    assert set(flagged["label"]) == {"anger"}


def test_recognition_below_a_half_flags_and_no_answer_does_not(evidence):
    predicted, neighbours, utterances = evidence
    ids = predicted.labels.index
    share = [0.4, *[0.9] * (NUM - 2), np.nan]
    audit = audit_labels(predicted, neighbours, annotators_of(ids, share), utterances)
    table = audit.doubtful.set_index("id")
    assert "annotators" in table.loc["u00", "flagged_by"]
    assert audit.num_flagged["annotators"] == 1
    assert pd.isna(table.loc["u59", "annotators_rank"])
    assert table.loc["u00", "annotators_rank"] == 1


def test_noise_counts_pairs_and_sums_to_the_expected_errors(evidence):
    predicted, neighbours, utterances = evidence
    audit = audit_labels(predicted, neighbours, None, utterances)
    noise = audit.noise.set_index(["label", "other"])
    assert len(noise) == 6
    assert noise.loc[("sadness", "anger"), "num_flagged"] == 1
    assert noise["expected_errors"].sum() == pytest.approx(audit.expected_errors)
    assert 1.5 < audit.expected_errors < 3
    assert noise.loc[("sadness", "anger"), "num_label"] == 22


def test_the_order_of_the_input_does_not_matter(evidence):
    predicted, neighbours, utterances = evidence
    mixed = predicted.labels.index[::-1]
    other = OutOfFold(
        predicted.probabilities.loc[mixed], predicted.labels.loc[mixed], (), "a model"
    )
    one = audit_labels(predicted, neighbours, None, utterances).doubtful
    two = audit_labels(other, neighbours, None, utterances).doubtful
    pd.testing.assert_frame_equal(one, two)
