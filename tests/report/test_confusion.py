import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import recall_score

from tokser.report.confusion import confusion_of
from tokser.report.tables import Configuration

ROW = Configuration("f", "mlp", "0", "f")
LABELS = st.sampled_from(["anger", "fear", "neutral"])


def predictions(pairs) -> pd.DataFrame:
    table = pd.DataFrame(pairs, columns=["label", "prediction"])
    return table.assign(features="f", protocol="speaker", classifier="mlp", fold=0)


@settings(deadline=None)  # the first example imports scikit-learn
@given(st.lists(st.tuples(LABELS, LABELS), min_size=1))
def test_counts_and_shares_agree_with_other_implementations(pairs):
    table = predictions(pairs)
    found = confusion_of(table, ROW, "speaker")
    labels = sorted({*table["label"], *table["prediction"]})
    expected = pd.crosstab(table["label"], table["prediction"]).reindex(
        index=labels, columns=labels, fill_value=0
    )
    assert found.labels == tuple(labels)
    assert np.array_equal(found.counts, expected)
    recalls = recall_score(
        table["label"], table["prediction"], labels=labels, average=None, zero_division=0
    )
    assert np.allclose(np.diag(found.shares), recalls)


def test_other_configurations_are_left_out():
    pairs = [("anger", "fear")]
    other = predictions(pairs).assign(classifier="logreg")
    both = pd.concat([predictions(pairs), other, predictions(pairs).assign(features="g")])
    assert confusion_of(both, ROW, "speaker").counts.sum() == 1


def test_a_configuration_without_predictions_has_no_matrix():
    assert confusion_of(predictions([("anger", "fear")]), ROW, "random") is None


def test_a_label_that_was_only_predicted_has_a_row_of_zeros():
    found = confusion_of(predictions([("anger", "fear")]), ROW, "speaker")
    assert [(label, total) for label, total, _ in found.rows()] == [("anger", 1), ("fear", 0)]
    assert found.shares[1].tolist() == [0, 0]
