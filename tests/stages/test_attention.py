import re

import numpy as np
import pandas as pd
import pytest

from tokser.config import AlignSettings, ExtractSettings, PretrainSettings
from tokser.errors import InputError, SettingsError, StoreMismatchError
from tokser.report import attention as drawing
from tokser.stages.align import align
from tokser.stages.attention import attention
from tokser.stages.extract import extract
from tokser.stages.pretrain import pretrain
from tokser.store import open_store
from tokser.testing.encoders import build_tiny_bert, build_tiny_whisper


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A store of EmoDB-like noise with tiny encoders, and an aligner that was trained on it."""
    import soundfile

    folder = tmp_path_factory.mktemp("attention")
    (folder / "wav").mkdir()
    rng = np.random.default_rng(0)
    for name in ("03a01Fa", "08a02Wa", "08b01Ta", "09a05Ea"):
        soundfile.write(folder / "wav" / f"{name}.wav", rng.normal(0, 0.1, 16_000), 16_000)
    build_tiny_whisper(folder / "tiny-whisper")
    build_tiny_bert(folder / "tiny-bert", ["der lappen liegt auf dem eisschrank"] * 4)
    encoders = tuple(str(folder / name) for name in ("tiny-whisper", "tiny-bert"))
    store = str(folder / "toy.zarr")
    extract(
        ExtractSettings(
            dataset="emodb", root=folder, store=store, encoders=encoders, layers="all", device="cpu"
        )
    )
    layers = "tiny-whisper/layer-1,tiny-whisper/layer-2"
    settings = PretrainSettings(
        store=store, out=folder / "run", speech=layers, queries="full", epochs=1, device="cpu"
    )
    pretrain(settings)
    return folder, store


@pytest.fixture
def drawn(monkeypatch):
    """What was drawn."""
    seen = {}
    draw = drawing.draw_attention

    def watch(weights, **kwargs):
        seen.update(weights=weights, **kwargs)
        draw(weights, **kwargs)

    monkeypatch.setattr(drawing, "draw_attention", watch)
    return seen


def test_tokens_are_words_time_is_seconds_and_weights_sum_to_one(place, drawn, tmp_path):
    folder, store = place
    out = attention(store, folder / "run", "03a01Fa", tmp_path / "map.svg")
    assert drawn["duration_s"] == 1
    assert (drawn["tokens"][0], drawn["tokens"][-1]) == ("[CLS]", "[SEP]")
    assert "lappen" in drawn["tokens"]
    np.testing.assert_allclose(drawn["weights"].sum(1), 1, rtol=1e-5)
    assert drawn["weights"].shape == (len(drawn["tokens"]), 50)
    texts = re.findall(r"<!-- (.*?) -->", out.read_text())
    assert {"Time [s]", "Token", "lappen"} <= set(texts)


@pytest.mark.parametrize("ending", ["png", "pdf"])
def test_a_picture_of_any_kind_is_written(place, tmp_path, ending):
    folder, store = place
    out = attention(store, folder / "run", "08b01Ta", tmp_path / f"map.{ending}")
    assert out.read_bytes()[:4] == {"png": b"\x89PNG", "pdf": b"%PDF"}[ending]


def test_without_the_tokenizer_tokens_are_numbers(place, drawn, tmp_path, monkeypatch, capsys):
    folder, store = place

    def missing(source, **kwargs):
        raise InputError(source, expected="a model", got="none", remedy="Fetch it.")

    monkeypatch.setattr("tokser.encoders.load_encoder", missing)
    attention(store, folder / "run", "03a01Fa", tmp_path / "map.png")
    assert all(token.isdigit() for token in drawn["tokens"])
    assert "tokens are shown by number" in capsys.readouterr().err
    with pytest.raises(InputError, match="a model"):
        attention(store, folder / "run", "03a01Fa", tmp_path / "map.png", tokenizer="elsewhere")


def test_no_picture_or_no_utterance_is_refused(place, tmp_path):
    folder, store = place
    with pytest.raises(SettingsError, match=r"ends in \.png, \.svg, \.pdf, got \.docx"):
        attention(store, folder / "run", "03a01Fa", tmp_path / "map.docx")
    with pytest.raises(SettingsError, match="the id of an utterance in the store, got 'nobody'"):
        attention(store, folder / "run", "nobody", tmp_path / "map.png")
    assert not list(tmp_path.iterdir())


def test_mixed_layers_and_full_queries_align_a_store(place):
    folder, store = place
    assert align(AlignSettings(store=store, checkpoint=folder / "run", device="cpu")) == (
        "run/aligned"
    )
    opened = open_store(store)
    lengths = opened["tiny-bert/contextual"].lengths
    pd.testing.assert_series_equal(opened["run/aligned"].lengths, lengths)


def test_features_of_another_width_are_refused(place, monkeypatch):
    folder, store = place
    layer = type(open_store(store)["tiny-whisper/layer-1"])
    monkeypatch.setattr(layer, "dim", property(lambda self: 5))
    with pytest.raises(StoreMismatchError, match=r"rows of \d+ numbers as at training, got 5"):
        attention(store, folder / "run", "03a01Fa", folder / "map.png")
