"""The picture of emotion over time: its outline, its classes, its page."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile

from tokser.errors import InputError, SettingsError
from tokser.prediction import timeline as module
from tokser.prediction.timeline import draw_timeline, envelope_of, require_drawable

CLASSES = ("anger", "boredom", "disgust", "fear", "joy", "neutral", "<b>sadness", "surprise")


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "talk <1>.wav"
    samples = np.concatenate([np.full(8_000, 0.1), np.full(8_000, -0.5), np.zeros(16_000)])
    soundfile.write(path, samples, 16_000)
    return path


def predicted(num_windows=3, classes=CLASSES):
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(len(classes)), num_windows)
    starts = np.linspace(0, 1, num_windows)
    table = pd.DataFrame({"id": "a", "start_s": starts, "end_s": starts + 1})
    table["label"] = [classes[i] for i in shares.argmax(axis=1)]
    return table.assign(**{f"probability_{n}": shares[:, i] for i, n in enumerate(classes)})


def a_model(classes=CLASSES, target="label"):
    return SimpleNamespace(
        task="classification" if classes else "regression", classes=classes, target=target
    )


def test_the_outline_of_a_recording_in_pieces(recording):
    found = envelope_of(recording)
    assert found.duration_s == 2.0
    assert len(found.lowest) == 200
    np.testing.assert_allclose(found.highest[[0, 60, 150]], [0.1, -0.5, 0], atol=1e-4)
    assert (found.lowest <= found.highest).all()


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_picture_is_written_and_the_same_again(recording, tmp_path, ending):
    outs = [tmp_path / f"{name}.{ending}" for name in "ab"]
    for out in outs:
        draw_timeline(recording, predicted(), a_model(), out, name="my model")
    assert outs[0].read_bytes() == outs[1].read_bytes()
    if ending == "svg":
        text = outs[0].read_text()
        assert "talk &lt;1&gt;.wav, my model" in text
        assert all(name in text for name in CLASSES[:6])
        assert "&lt;b&gt;sadness" in text


@pytest.mark.slow
def test_a_page_carries_the_recording_if_it_is_small(recording, tmp_path, monkeypatch):
    out = tmp_path / "page.html"
    draw_timeline(recording, predicted(), a_model(), out, name="my model")
    page = out.read_text()
    assert "<svg" in page
    assert re.search(r'<audio[^>]* src="data:audio/[\w-]+;base64,', page)
    assert page.count("<tr>") == 4
    assert "<b>sadness" not in page
    assert not re.search(r"(src|href)=\"https?:", page)
    monkeypatch.setattr(module, "MOST_PLAYED_BYTES", 100)
    draw_timeline(recording, predicted(), a_model(), out, name="my model")
    assert "<audio" not in out.read_text()
    assert "too large" in out.read_text()


@pytest.mark.slow
def test_numbers_are_drawn_as_a_line(recording, tmp_path):
    table = predicted()[["id", "start_s", "end_s"]].assign(valence=[1.0, 2.0, 1.5])
    out = tmp_path / "v.svg"
    draw_timeline(recording, table, a_model((), "valence"), out, name="m")
    assert "Valence" in out.read_text()


def test_every_class_looks_different():
    looks = module._look([str(i) for i in range(20)])
    assert len(set(looks.values())) == 20


def test_only_windows_of_one_recording_can_be_drawn(recording, tmp_path):
    require_drawable(tmp_path / "a.png", [str(recording)], 4.0)
    with pytest.raises(SettingsError, match=r"ends in \.png, \.svg, \.html"):
        require_drawable(tmp_path / "a.pdf", [str(recording)], 4.0)
    with pytest.raises(SettingsError, match="--window 4 --hop 1"):
        require_drawable(tmp_path / "a.png", [str(recording)], None)
    for inputs in ([str(recording)] * 2, [str(tmp_path)]):
        with pytest.raises(SettingsError, match="one recording"):
            require_drawable(tmp_path / "a.png", inputs, 4.0)
    with pytest.raises(InputError, match="a window that was predicted"):
        draw_timeline(recording, predicted()[:0], a_model(), tmp_path / "a.png", name="m")
