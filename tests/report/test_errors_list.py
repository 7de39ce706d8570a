"""The list of errors."""

import pandas as pd
import pytest

from tokser.report.embedded_audio import Recording
from tokser.report.errors_list import errors_table, show, wanted_recordings
from tokser.report.predicted_utterances import PredictedUtterances
from tokser.report.scores import Configuration
from tokser.report.table import shown


@pytest.fixture
def predicted():
    """Three errors among five utterances."""
    table = pd.DataFrame(
        {
            "label": ["anger", "fear", "joy", "joy", "fear"],
            "prediction": ["fear", "fear", "anger", "joy", "joy"],
            "probability": [0.5, 0.4, 0.9, 0.8, 0.7],
            "is_correct": [False, True, False, True, False],
            "speaker": ["03", "03", "08", "08", "09"],
            "transcript": ["eins", "", "drei", "", ""],
            "path": [f"{i}.wav" for i in range(5)],
        },
        index=pd.Index(list("abcde"), name="id"),
    )
    probabilities = pd.DataFrame(
        [[0.3, 0.5, 0.2], [0.3, 0.4, 0.3], [0.9, 0.06, 0.04], [0.1, 0.1, 0.8], [0.2, 0.1, 0.7]],
        index=table.index,
        columns=["anger", "fear", "joy"],
    )
    row = Configuration("layer-1", "logreg", "0", "", "layer-1")
    return PredictedUtterances(row, "speaker", table, probabilities)


def test_confident_errors_come_first_with_a_count_of_all(predicted):
    table = errors_table(predicted, 2, "emodb-errors", "EmoDB")
    assert [row[0] for row in table.rows] == ["c", "e"]
    assert [c.name for c in table.columns][-2:] == ["Speaker", "Transcript"]
    assert [shown(cell) for cell in table.rows[0]] == ["c", "joy", "anger", "90.0", "08", "drei"]
    assert table.notes == ("2 of 3 errors among 5 test utterances; --errors lists more.",)
    assert errors_table(predicted, 9, "n", "t").notes == ("All 3 errors among 5 test utterances.",)


def test_columns_that_nobody_knows_are_left_out(predicted):
    bare = predicted.table.drop(columns=["speaker", "transcript", "path"])
    unknown = PredictedUtterances(
        predicted.row, "speaker", bare.assign(probability=float("nan")), predicted.probabilities
    )
    table = errors_table(unknown, 5, "n", "t")
    assert [c.name for c in table.columns] == ["Utterance", "Label", "Prediction"]


def test_without_errors_there_is_no_table(predicted):
    assert errors_table(predicted.at(["b", "d"]), 5, "n", "t") is None
    assert errors_table(predicted, 0, "n", "t") is None


def test_recordings_are_of_errors_and_then_of_doubtful_hits(predicted):
    assert wanted_recordings(predicted, 4) == ["c", "e", "a", "b"]
    assert wanted_recordings(predicted, 0) == []
    assert len(wanted_recordings(predicted, 99)) == 5


def test_an_utterance_is_shown_with_all_that_is_known(predicted):
    recording = Recording("data:", "", "M0 0", 2.0)
    recordings = {"c": recording, "e": Recording("", "gone")}
    first, second = show(predicted.errors.head(2), predicted, recordings, {"e": "attention-1"})
    assert first.recording is recording and second.recording is None
    assert first.probability == "90.0 %"
    assert first.probabilities == "anger 90.0 %, fear 6.0 %, joy 4.0 %"
    assert first.about == {"Speaker": "08", "Transcript": "drei", "Recording": "2.wav"}
    assert second.attention == "attention-1"
