import numpy as np
import pytest
import torch

from tokser.encoders import load_encoder
from tokser.encoders.layers import parse_layers
from tokser.encoders.registered import find_registered
from tokser.errors import MissingInputError, MissingPackageError, SettingsError
from tokser.plugins import ENCODERS


def load(source):
    return load_encoder(source, revision=None, device=torch.device("cpu"))


@pytest.fixture
def other(registered):
    def write(code):
        folder = registered("other", ENCODERS, {"mine": "mine_encoders:load"})
        (folder / "mine_encoders.py").write_text(code)

    return write


def test_an_encoder_goes_by_name_and_argument(registered, example_package):
    registered("other", ENCODERS, {"log-mel": "tokser_example_plugin.log_mel:load"})
    encoder = load("log-mel:20")
    assert (encoder.name, encoder.dim) == ("log-mel-20", 20)
    assert parse_layers(encoder, "last") == parse_layers(encoder, "all") == [0]
    (found,) = encoder.encode([np.zeros(16_000, dtype=np.float32)], [0])
    assert found[0].shape == (encoder.num_frames(16_000), 20) == (98, 20)
    assert load("log-mel").dim == 40
    with pytest.raises(SettingsError, match="expected 1 to 80 bands"):
        load("log-mel:many")


def test_a_folder_of_the_name_comes_first(other, tmp_path, monkeypatch):
    other("load = None")
    monkeypatch.chdir(tmp_path)
    assert find_registered("mine") is not None
    (tmp_path / "mine").mkdir()
    assert find_registered("mine") is None
    assert find_registered("./mine") is find_registered("owner/mine") is None


@pytest.mark.parametrize(
    ("code", "got"),
    [
        ("def load(argument, **options): raise KeyError('x')", r"KeyError: 'x'"),
        ("def load(): pass", "TypeError"),
        ("load = 3", "TypeError: 'int' object is not callable"),
        ("def load(argument, **options): return 3", r"a int without name, dim"),
    ],
)
def test_a_factory_that_fails_is_named_with_its_package(other, code, got):
    other(code)
    with pytest.raises(MissingPackageError, match=rf"mine, registered by other 1\.0: .*{got}"):
        load("mine:x")


def test_an_unknown_name_is_a_model_that_is_not_there(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(MissingInputError, match="no-such-encoder:x"):
        load("no-such-encoder:x")
