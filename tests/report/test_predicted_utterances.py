"""Predictions of one configuration, joined with what the store knows."""

import numpy as np
import pandas as pd
import pytest

from tokser.report.inputs import read_inputs
from tokser.report.predicted_utterances import predicted_by
from tokser.report.sections import find_sections


@pytest.fixture
def predicted(folders):
    folder = folders.results(features=("whisper-base/layer-2",))
    return predicted_by(_part(folder))


def _part(folder):
    (section,) = find_sections(read_inputs([folder]))
    return section.parts[0]


def test_the_most_trustworthy_protocol_is_shown(predicted):
    assert predicted.protocol == "speaker"
    assert len(predicted.table) == 535
    assert predicted.title == "unseen speakers, whisper-base/layer-2"


def test_every_utterance_is_an_error_or_correct(predicted):
    table = predicted.table
    assert len(predicted.errors) + len(predicted.correct) == len(table)
    assert (predicted.errors["label"] != predicted.errors["prediction"]).all()
    np.testing.assert_allclose(table["probability"], 1 / 7)


def test_confident_errors_and_doubtful_hits_come_first(folders):
    folder = folders.results(features=("whisper-base/layer-2",))
    file = folder / "predictions.parquet"
    given = pd.read_parquet(file)
    rng = np.random.default_rng(0)
    columns = [name for name in given if name.startswith("probability_")]
    given[columns] = rng.dirichlet(np.ones(len(columns)), size=len(given))
    given.to_parquet(file)
    found = predicted_by(_part(folder))
    assert found.errors["probability"].is_monotonic_decreasing
    assert found.correct["probability"].is_monotonic_increasing
    name = found.errors.index[0]
    row = given[(given["id"] == name) & (given["protocol"] == "speaker")].iloc[0]
    assert found.errors["probability"].iloc[0] == row[f"probability_{row['prediction']}"]


def test_heads_without_probabilities_have_unknown_ones(folders):
    folder = folders.results(features=("whisper-base/layer-2",))
    file = folder / "predictions.parquet"
    given = pd.read_parquet(file)
    given.drop(columns=[name for name in given if name.startswith("probability_")]).to_parquet(file)
    found = predicted_by(_part(folder))
    assert found.table["probability"].isna().all()
    assert found.errors.index.is_monotonic_increasing


def test_utterances_without_a_label_are_left_out(folders):
    folder = folders.results(features=("whisper-base/layer-2",))
    file = folder / "predictions.parquet"
    given = pd.read_parquet(file)
    given.loc[given["id"] == "utt003", "label"] = ""
    given.to_parquet(file)
    assert "utt003" not in predicted_by(_part(folder)).table.index


@pytest.mark.slow
def test_a_store_adds_speakers_and_transcripts(explorable):
    found = predicted_by(_part(explorable.results))
    assert found.absent_from(explorable.store) == []
    table = found.with_store(explorable.store).table
    assert table.at["utt005", "speaker"] == "s1"
    assert table.at["utt005", "transcript"] == "Satz Nummer 0"
    assert list(found.at(["utt007", "utt005"]).table.index) == ["utt007", "utt005"]
