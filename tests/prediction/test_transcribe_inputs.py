"""`tokser predict --transcribe`, see docs/transcribe.md."""

import shutil

import numpy as np
import pandas as pd
import pytest

from tokser.errors import SettingsError
from tokser.prediction.run import predict_all

MODEL_TEXT = "tiny-bert/contextual"


@pytest.fixture(scope="module")
def text_model(corpus, tiny, tmp_path_factory, pooled_store, fit_by_hand):
    path = tmp_path_factory.mktemp("store") / "emodb.zarr"
    encoders = (tiny / "tiny-whisper", tiny / "tiny-bert")
    store = pooled_store(corpus, path, *encoders, context="fit")
    return fit_by_hand(store, f"tiny-whisper/layer-1 + {MODEL_TEXT}")


@pytest.fixture
def table(corpus, tmp_path):
    """Three recordings, one with a transcript, and one that is broken."""
    names = ("03a01Fa", "08a01Wa", "09a01Na", "08b02Na")
    for name in names:
        shutil.copy(corpus / "wav" / f"{name}.wav", tmp_path)
    lines = [f"{name}.wav,{'Guten Morgen' if name == names[0] else ''}" for name in names]
    path = tmp_path / "some.csv"
    path.write_text("\n".join(["path,transcript", *lines]) + "\n")
    return path


def test_recordings_without_a_transcript_get_one(text_model, table, tiny_transcriber, tmp_path):
    how = {"transcribe": str(tiny_transcriber), "language": "German"}
    out = tmp_path / "p.csv"
    found = predict_all(text_model, table, out=out, **how)
    by_id = found.table.set_index("id")
    assert list(by_id.index) == ["03a01Fa", "08a01Wa", "09a01Na"]
    assert by_id.loc["03a01Fa", "transcript"] == "Guten Morgen"
    assert by_id["transcript_source"].to_list() == ["", "tiny-transcriber", "tiny-transcriber"]
    assert by_id["transcript_language"].to_list() == ["", "de", "de"]
    assert by_id["transcript_confidence"].isna().to_list() == [True, False, False]
    assert by_id["transcript"].ne("").all()
    assert "not audio" in found.quarantined["08b02Na"]
    again = predict_all(text_model, table, out=out, **how)
    pd.testing.assert_frame_equal(again.table, found.table, check_dtype=False)
    assert again.quarantined == found.quarantined
    # The transcripts that were made, given by hand, are predicted the same.
    rows = [f"{name}.wav,{text}" for name, text in by_id["transcript"].items()]
    (tmp_path / "given.csv").write_text("\n".join(["path,transcript", *rows]) + "\n")
    given = predict_all(text_model, tmp_path / "given.csv").table.set_index("id")
    assert not [name for name in given.columns if name.startswith("transcript")]
    np.testing.assert_array_equal(given.filter(like="prob"), by_id.filter(like="prob"))


def test_another_language_is_another_prediction(text_model, table, tiny_transcriber, tmp_path):
    how = {"transcribe": str(tiny_transcriber), "out": tmp_path / "p.csv"}
    predict_all(text_model, table, language="de", **how)
    with pytest.raises(SettingsError, match="predictions made otherwise"):
        predict_all(text_model, table, language="pl", **how)


def test_calls_that_make_no_sense_are_refused(
    text_model, whisper_model, whisper_store, table, tiny_transcriber
):
    how = {"transcribe": str(tiny_transcriber)}
    with pytest.raises(SettingsError, match="expected a model that reads text, got one of speech"):
        predict_all(whisper_model, table, **how)
    with pytest.raises(SettingsError, match="got windows"):
        predict_all(text_model, table, window_s=1.0, **how)
    with pytest.raises(SettingsError, match="got a store"):
        predict_all(text_model, whisper_store.path, **how)
    with pytest.raises(SettingsError, match="--transcribe as well"):
        predict_all(text_model, table, language="de")


def test_auto_is_the_model_s_own_whisper(text_model, table):
    with pytest.raises(ValueError, match=r"tiny-whisper: .*expected a Whisper"):
        predict_all(text_model, table, transcribe="auto")
