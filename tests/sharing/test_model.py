"""Models pushed and pulled: the folder of `tokser fit`, whole and checked."""

from pathlib import Path

import pytest

from tokser.checksummed_folder import ChecksummedFolder
from tokser.config import PullSettings, PushSettings
from tokser.errors import DamagedFileError, MissingInputError, SettingsError
from tokser.stages.pull import pull
from tokser.stages.push import push

MODEL = "hf://ada/emodb-model"


@pytest.fixture
def model(tmp_path) -> Path:
    """A folder with a model's files and checksums."""
    folder = tmp_path / "model"
    checksummed = ChecksummedFolder(folder)
    folder.mkdir()
    checksummed.begin("abc")
    checksummed.put({"model.json": b"{}", "weights.safetensors": bytes(5_000)})
    (folder / "README.md").write_text("A card, completed by hand.")
    (folder / "notes.txt").write_text("The user's own.")
    return folder


def share(model: Path, target: str, **settings):
    return push(PushSettings(source=model, target=target, **settings))


def fetch(source: str, target: Path, **settings):
    return pull(PullSettings(source=source, target=target, **settings))


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
def test_a_model_comes_back_whole_with_its_card(model, hub, tmp_path):
    done = share(model, MODEL)
    assert done.kind == "model"
    assert "notes.txt" not in hub.files("models/ada/emodb-model")
    found = fetch(MODEL, tmp_path / "copy")
    assert found.digest == done.digest
    assert not ChecksummedFolder(tmp_path / "copy").faults()
    assert ChecksummedFolder(tmp_path / "copy").made_of == "abc"
    assert (tmp_path / "copy" / "README.md").read_text() == "A card, completed by hand."
    assert {path.name for path in (tmp_path / "copy").iterdir()} == {
        *("README.md", "SHA256SUMS", "model.json", "weights.safetensors"),
    }


def test_a_damaged_model_is_not_shared(model, tmp_path):
    (model / "weights.safetensors").write_bytes(bytes(4_999))
    with pytest.raises(DamagedFileError, match=r"weights\.safetensors"):
        share(model, str(tmp_path / "shared"))
    assert not (tmp_path / "shared" / "SHA256SUMS").exists()


@pytest.mark.parametrize("some", [{"features": ("a/b",)}, {"functionals_only": True}])
def test_a_model_has_no_features(model, tmp_path, some):
    with pytest.raises(SettingsError, match="--functionals-only"):
        share(model, str(tmp_path / "shared"), **some)
    share(model, str(tmp_path / "shared"))
    with pytest.raises(SettingsError, match="--functionals-only"):
        fetch(str(tmp_path / "shared"), tmp_path / "copy", **some)


def test_what_is_neither_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(Exception, match="store") as refused:
        share(tmp_path / "empty", str(tmp_path / "shared"))
    assert not (tmp_path / "shared").exists()
    assert refused.value.exit_code == 2
    with pytest.raises(MissingInputError, match="SHA256SUMS"):
        fetch(str(tmp_path / "empty"), tmp_path / "copy")
