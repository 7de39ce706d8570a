import pytest
import torch
from click.testing import CliRunner

from tokser.cli import main
from tokser.encoders.registry import load_encoder
from tokser.errors import SettingsError
from tokser.testing import material


@pytest.fixture
def no_speech(monkeypatch):
    """Synthesis has tests of its own, and takes a while."""
    monkeypatch.setattr(material, "synthesise", lambda out: None)
    monkeypatch.setattr(material, "_transcripts", lambda corpora: ["Guten Tag", "GOOD DAY"])


def test_every_encoder_of_a_reproduction_has_a_stand_in_whose_name_says_random(no_speech, tmp_path):
    result = CliRunner().invoke(main, ["demo", "--only-material", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert str(tmp_path / "encoders") in result.output
    found = {}
    for folder in (tmp_path / "encoders").iterdir():
        assert folder.name.endswith("-random")
        encoder = load_encoder(str(folder), revision=None, device=torch.device("cpu"))
        found[folder.name] = (encoder.kind, encoder.num_layers)
    assert found["whisper-base-random"] == ("speech", 6)
    assert found["whisper-large-random"] == ("speech", 3)
    assert found["wavlm-base-random"][0] == "speech"
    assert sum(kind == "text" for kind, _ in found.values()) == 2


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(SettingsError, match=r"one that holds other things.*nothing was written"):
        material.write_material(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
