import pytest

from tokser.report.leakage import leakage_of, measure_leakage
from tokser.report.scores import arrange
from tokser.report.tasks import CLASSIFICATION

from .conftest import scores_of

LAYERS = ("whisper-base/layer-2", "whisper-base/layer-10")


def test_leakage_is_the_difference_of_the_protocols(folders):
    table = scores_of(folders.results(features=LAYERS))
    wide = table.pivot(index="features", columns="protocol", values="uar")
    scores = arrange(CLASSIFICATION, table)
    found = measure_leakage(scores)
    assert len(found) == len(LAYERS)
    for one in found:
        expected = wide.loc[one.label, "random"] - wide.loc[one.label, "speaker"]
        assert one.difference == pytest.approx(expected)
    assert leakage_of(found, scores.rows[0][0]) == found[0]
    assert leakage_of(found, None) is None


def test_one_protocol_has_no_leakage(folders):
    table = scores_of(folders.results(protocols=["speaker"]))
    assert measure_leakage(arrange(CLASSIFICATION, table)) == []
