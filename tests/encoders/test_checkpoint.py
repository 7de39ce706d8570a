import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tokser.encoders import load_encoder
from tokser.encoders.checkpoint import find_checkpoint
from tokser.errors import CheckpointError, InputError, MissingInputError

CPU = torch.device("cpu")


@pytest.fixture
def copy(tiny, tmp_path):
    def _copy(name):
        return shutil.copytree(tiny / name, tmp_path / name)

    return _copy


def encode(folder):
    encoder = load_encoder(str(folder), revision=None, device=CPU)
    return encoder.encode([np.zeros(800, dtype=np.float32)], [1])


def test_a_missing_weight_is_an_error_that_names_it(copy):
    folder = copy("tiny-whisper")
    weights = load_file(folder / "model.safetensors")
    name = "model.encoder.layers.1.fc1.weight"
    del weights[name]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"1 missing.*layers\.1\.fc1\.weight"):
        encode(folder)


def test_a_checkpoint_with_other_names_altogether_is_an_error(copy):
    folder = copy("tiny-wavlm")
    weights = load_file(folder / "model.safetensors")
    other = {f"other.{name}": tensor for name, tensor in weights.items()}
    save_file(other, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="incomplete or belongs to another model"):
        encode(folder)


def test_a_weight_of_another_shape_is_an_error(copy):
    folder = copy("tiny-whisper")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"encoder_ffn_dim": 96}))
    with pytest.raises(CheckpointError, match="with another shape"):
        encode(folder)


def test_a_folder_without_weights_or_config_is_an_error(copy):
    folder = copy("tiny-whisper")
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="expected weights"):
        load_encoder(str(folder), revision=None, device=CPU)
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load_encoder(str(folder), revision=None, device=CPU)


def test_wavlm_without_its_preprocessor_is_an_error(copy):
    folder = copy("tiny-wavlm")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match=r"preprocessor_config\.json"):
        load_encoder(str(folder), revision=None, device=CPU)


def test_a_text_model_of_another_family_is_refused(copy):
    folder = copy("tiny-bert")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "gpt2"}))
    with pytest.raises(CheckpointError, match="A text model needs to be of one of the families"):
        load_encoder(str(folder), revision=None, device=CPU)


def test_what_is_neither_folder_nor_on_the_hub_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for source in ("no/such-model", "not a model id"):
        with pytest.raises(MissingInputError, match="local model folder or the id"):
            find_checkpoint(source)


def test_the_name_is_the_last_part_as_the_user_wrote_it(tiny, tmp_path):
    link = tmp_path / "my whisper ü"
    link.symlink_to(tiny / "tiny-whisper")
    assert find_checkpoint(str(link)).name == "my whisper ü"


def test_weights_are_identified_by_their_bytes(tiny, copy):
    original = find_checkpoint(str(tiny / "tiny-whisper")).weights_sha256()
    folder = copy("tiny-whisper")
    assert find_checkpoint(str(folder)).weights_sha256() == original
    weights = load_file(folder / "model.safetensors")
    weights["model.encoder.layer_norm.bias"] += 1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert find_checkpoint(str(folder)).weights_sha256() != original


def test_weights_that_were_cut_are_an_error_that_says_so(copy):
    folder = copy("tiny-whisper")
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:2_000])
    with pytest.raises(CheckpointError, match="expected weights that can be read"):
        encode(folder)


def test_a_damaged_config_is_an_error_that_says_so(copy):
    folder = copy("tiny-whisper")
    (folder / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"config\.json that holds a JSON object"):
        find_checkpoint(str(folder))


def test_a_path_that_is_no_folder_is_not_looked_up_on_the_hub():
    with pytest.raises(MissingInputError, match="got no such folder"):
        find_checkpoint("./nosuchfolder")


@pytest.mark.parametrize("name", ["ids", "wavlm@v2", "functionals"])
def test_a_folder_whose_name_cannot_be_a_group_is_refused(tiny, tmp_path, name):
    (tmp_path / name).symlink_to(tiny / "tiny-wavlm")
    with pytest.raises(InputError, match=rf"--encoder .*{name}: expected a name"):
        find_checkpoint(str(tmp_path / name))


def test_the_folder_above_has_its_own_name(tiny, monkeypatch, tmp_path):
    folder = shutil.copytree(tiny / "tiny-wavlm", tmp_path / "wavlm")
    (folder / "inner").mkdir()
    monkeypatch.chdir(folder / "inner")
    assert find_checkpoint("..").name == "wavlm"
