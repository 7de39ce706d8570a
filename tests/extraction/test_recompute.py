import numpy as np
import pytest
import soundfile

from tokser.config import ExtractSettings
from tokser.errors import MissingInputError, SettingsError, StoreMismatchError
from tokser.extraction.recompute import recompute
from tokser.stages.extract import extract
from tokser.store import open_store
from tokser.testing.encoders import build_tiny_whisper


@pytest.fixture
def store(emodb, tiny, tmp_path):
    encoders = tuple(str(tiny / f"tiny-{name}") for name in ("whisper", "wavlm", "bert"))
    path = str(tmp_path / "emodb.zarr")
    extract(
        ExtractSettings(dataset="emodb", root=emodb, store=path, encoders=encoders, layers="all")
    )
    return path


def test_encoders_compute_what_the_store_holds(store):
    found = recompute(store, 3)
    assert all(one.is_same for one in found)
    features = {one.feature for one in found}
    assert {"tiny-whisper/layer-1", "tiny-wavlm/layer-3", "tiny-bert/contextual"} <= features
    assert all(sum(one.feature == feature for one in found) == 3 for feature in features)


@pytest.mark.slow
def test_precision_and_context_are_those_of_the_store(emodb, tiny, tmp_path):
    encoders = tuple(str(tiny / f"tiny-{name}") for name in ("whisper", "wavlm", "bert"))
    path, options = str(tmp_path / "short.zarr"), {"precision": "bf16", "context": "fit"}
    extract(ExtractSettings(dataset="emodb", root=emodb, store=path, encoders=encoders, **options))
    made_by = open_store(path).group("tiny-whisper").provenance
    assert (made_by["precision"], made_by["context"]) == ("bfloat16", "fit")
    found = recompute(path, 6)
    assert found
    assert all(one.is_same for one in found)
    with pytest.raises(
        StoreMismatchError, match=r"context fit.*precision bfloat16 as in the store"
    ):
        extract(ExtractSettings(dataset="emodb", root=emodb, store=path, encoders=encoders))


def test_a_recording_that_changed_is_far_from_its_rows(store, emodb):
    for path in (emodb / "wav").iterdir():
        samples, rate = soundfile.read(path)
        soundfile.write(path, np.random.default_rng(1).normal(0, 0.1, len(samples)), rate)
    found = recompute(store, 6)
    assert not any(one.is_same for one in found if one.feature == "tiny-wavlm/layer-1")
    assert all(one.is_same for one in found if one.feature.startswith("tiny-bert"))


def test_another_model_of_the_same_name_is_refused(store, tmp_path):
    build_tiny_whisper(tmp_path / "other" / "tiny-whisper", seed=5)
    with pytest.raises(StoreMismatchError, match="weights_sha256"):
        recompute(store, 1, encoders=[str(tmp_path / "other" / "tiny-whisper")])


def test_a_model_that_is_not_in_the_store_is_refused(store):
    with pytest.raises(SettingsError, match="encoders tiny-whisper, tiny-wavlm, tiny-bert"):
        recompute(store, 1, encoders=["models/whisper-large"])


def test_a_corpus_that_moved_must_be_named(store, emodb, tmp_path):
    emodb.rename(tmp_path / "elsewhere")
    with pytest.raises(MissingInputError, match="--root"):
        recompute(store, 1)
    assert all(one.is_same for one in recompute(store, 1, root=tmp_path / "elsewhere"))
