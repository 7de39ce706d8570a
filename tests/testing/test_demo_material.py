import pytest
import torch
from click.testing import CliRunner

from tokser.cli import main
from tokser.encoders.registry import load_encoder
from tokser.errors import SettingsError
from tokser.testing import demo_material


@pytest.fixture
def no_speech(monkeypatch):
    """Synthesis has its own tests, and takes a while."""
    monkeypatch.setattr(demo_material, "write_demo_corpora", lambda out: None)
    monkeypatch.setattr(demo_material, "_transcripts", lambda corpora: ["Guten Tag", "GOOD DAY"])


def test_every_reproduction_has_random_encoders(no_speech, tmp_path):
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


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(SettingsError, match=r"a folder with other files.*nothing was written"):
        demo_material.write_reproduction_material(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
