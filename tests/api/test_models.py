"""From a store to a model that predicts recordings, as a notebook and calibration.md do it."""

import numpy as np
import pandas as pd
import pytest

import tokser
from tokser.errors import InputError, SettingsError

pytestmark = pytest.mark.slow

FEATURES = "best(tiny-whisper/layer-*)"


@pytest.fixture(scope="module")
def corpus(tiny, write_noise_emodb, tmp_path_factory):
    root = tmp_path_factory.mktemp("noise")
    write_noise_emodb(root)
    (root / "wav" / "08b02Na.wav").unlink()
    store = tokser.extract(
        "emodb",
        root=root,
        encoders=tiny / "tiny-whisper",
        layers="all",
        store=root / "emodb.zarr",
        dtype="float32",
    )
    return tokser.pool(store), root


@pytest.fixture(scope="module")
def model(corpus):
    return tokser.fit(corpus[0], features=FEATURES, head="logreg")


def test_a_model_lies_beside_the_store_with_its_score(corpus, model):
    store, root = corpus
    assert model.folder.parent == root / "emodb-models"
    assert model.task == "classification"
    assert set(model.classes) == set(store.utterances["label"])
    assert model.estimate.protocol == "speaker"
    assert model.estimate.num_test == 23
    assert model.results.task == "classification"
    assert tokser.fit(store, features=FEATURES, head="logreg").folder == model.folder


def test_recordings_are_predicted_as_their_store_is(corpus, model):
    store, root = corpus
    by_store = model.predict(store).set_index("id")
    one = model.predict(root / "wav" / "03a01Fa.wav")
    probabilities = one.filter(like="probability_").to_numpy()
    own = by_store.loc[["03a01Fa"]].filter(like="probability_").to_numpy()
    np.testing.assert_allclose(probabilities, own, atol=1e-6)
    some = model.predict([root / "wav" / f"{name}.wav" for name in ("03a01Fa", "09b02Ta")])
    assert list(some["label"]) == list(by_store.loc[["03a01Fa", "09b02Ta"], "label"])


def test_prediction_sets_as_calibration_md_shows_them(corpus, tmp_path):
    store, root = corpus
    options = {"features": "tiny-whisper/layer-1", "head": "logreg", "coverage": [0.5, 0.8]}
    model = tokser.fit(store, **options, out=tmp_path / "model")
    recording = root / "wav" / "03a01Fa.wav"
    found = model.predict(recording, sets="speakers", coverage=0.5)
    assert found["prediction_set"].iloc[0].split("|")[0] == found["label"].iloc[0]
    raw = model.predict(recording, probabilities="raw").filter(like="probability_").to_numpy()
    calibrated = found.filter(like="probability_").to_numpy()
    assert np.argmax(raw) == np.argmax(calibrated)
    scaled = raw ** (1 / model.calibration.temperature)
    np.testing.assert_allclose(calibrated, scaled / scaled.sum(), atol=1e-9)
    assert {one.level for one in model.calibration.thresholds} == {0.5, 0.8}
    with pytest.raises(SettingsError, match="sets"):
        model.predict(recording, sets="sessions")


def test_what_cannot_be_read_is_told(corpus, model, tmp_path, caplog):
    _, root = corpus
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no audio")
    with pytest.raises(InputError, match="recordings that can be read"):
        model.predict(broken)
    with caplog.at_level("WARNING", logger="tokser"):
        found = model.predict([root / "wav" / "03a01Fa.wav", broken])
    assert len(found) == 1
    assert "1 recordings are not predicted" in caplog.text
    assert len(found.attrs["quarantined"]) == 1
    with pytest.raises(SettingsError, match="nearest known keyword: 'window'"):
        model.predict(broken, windows=1.0)


def test_a_timeline_is_a_table_and_a_picture(corpus, model, tmp_path):
    timeline = model.timeline(corpus[1] / "wav" / "03a01Fa.wav", window=0.2, hop=0.1)
    assert len(timeline.table) > 2
    assert repr(timeline).endswith(f"{len(timeline.table)} windows)")
    assert "data:image/svg+xml" in timeline._repr_html_()
    assert timeline.save(tmp_path / "time.png").read_bytes().startswith(b"\x89PNG")


def test_a_model_is_saved_and_loaded(corpus, model, tmp_path):
    folder = tokser.load_model(model.folder).save(tmp_path / "kept")
    again = tokser.load_model(folder)
    pd.testing.assert_frame_equal(again.predict(corpus[0]), model.predict(corpus[0]))
    assert repr(again).startswith("TrainedModel(")
    html = again._repr_html_()
    assert "score to expect" in html
    assert str(folder) in html
    with pytest.raises(SettingsError, match="a new folder"):
        again.save(corpus[1])
