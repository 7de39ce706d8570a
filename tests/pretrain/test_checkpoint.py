import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from tokser.checksummed_folder import INDEX
from tokser.errors import CheckpointError, DamagedFileError, InputError
from tokser.pretrain.checkpoint import AlignerDescription, load_aligner, save_aligner
from tokser.pretrain.paper import PaperAligner
from tokser.pretrain.variants import build_aligner


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    description = AlignerDescription(
        name="run",
        variant="paper",
        text_dim=4,
        speech_dim=6,
        special_tokens=True,
        features={"speech": "s/6", "queries": "t/word", "teacher": "t/contextual"},
        provenance={"speech": {"model": "s"}, "queries": {}, "teacher": {"ids": [1, 2]}},
        best_epoch=3,
        scores={"dev_match_rate": 0.5},
    )
    aligner = PaperAligner(4, 6)
    save_aligner(folder, aligner.state_dict(), description)
    return folder, aligner, description


def test_an_aligner_comes_back_as_it_was_in_evaluation_mode(run):
    folder, aligner, description = run
    loaded, found = load_aligner(folder)
    assert found == description
    assert not loaded.training
    for name, weight in aligner.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], weight, rtol=0, atol=0)


def test_options_and_the_mix_of_layers_come_back(run):
    folder, _, description = run
    options = {"heads": 2, "ffn": 8}
    features = description.features | {"speech": "s/4,s/6"}
    description = replace(description, variant="sunder", options=options, features=features)
    aligner = build_aligner("sunder", 4, 6, 2, options)
    torch.nn.init.normal_(aligner.mix.weights)
    save_aligner(folder, aligner.state_dict(), description)
    loaded, found = load_aligner(folder)
    assert found == description
    assert found.speech == ["s/4", "s/6"]
    for name, weight in aligner.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], weight, rtol=0, atol=0)


def test_a_folder_that_is_no_finished_run_says_how_to_finish_it(tmp_path):
    with pytest.raises(InputError, match="a finished pretraining run, got no such file"):
        load_aligner(tmp_path)


@pytest.fixture
def unchecked_run(run):
    """As an earlier version wrote it, without digests of its files."""
    (run[0] / INDEX).unlink()
    return run[0]


@pytest.mark.parametrize("name", ["aligner.safetensors", "aligner.json"])
def test_a_changed_byte_names_the_file_and_the_repair(run, name):
    file = run[0] / name
    content = bytearray(file.read_bytes())
    content[-9] ^= 1
    file.write_bytes(content)
    with pytest.raises(DamagedFileError, match=rf"{name}: .*Run the same `tokser pretrain` again"):
        load_aligner(run[0])


@pytest.mark.parametrize("change", ["missing", "extra", "shape", "bytes"])
def test_weights_that_do_not_fit_name_the_file(unchecked_run, change):
    folder = unchecked_run
    file = folder / "aligner.safetensors"
    weights = load_file(file)
    if change == "missing":
        del weights["w_k"]
    elif change == "extra":
        weights["w_o"] = torch.zeros(1)
    elif change == "shape":
        weights["w_k"] = torch.zeros(5, 4)
    save_file(weights, file)
    if change == "bytes":
        file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(CheckpointError, match=r"aligner\.safetensors: expected the weights of"):
        load_aligner(folder)


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"name": "run"}'])
def test_a_damaged_description_is_an_error_that_names_the_file(unchecked_run, text):
    folder = unchecked_run
    (folder / "aligner.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"aligner\.json: expected the description"):
        load_aligner(folder)


def test_a_variant_of_another_version_is_refused(unchecked_run):
    folder = unchecked_run
    content = json.loads((folder / "aligner.json").read_text())
    (folder / "aligner.json").write_text(json.dumps(content | {"variant": "later"}))
    with pytest.raises(CheckpointError, match=r"one of the variants paper, .*, got 'later'"):
        load_aligner(folder)


@pytest.mark.parametrize("name", ["", "../../victim", "ids", "a@b"])
def test_a_name_that_would_leave_a_store_or_hurt_it_is_refused(run, name):
    folder, aligner, description = run
    save_aligner(folder, aligner.state_dict(), replace(description, name=name))
    with pytest.raises(InputError, match=r"aligner\.json, name: expected a name"):
        load_aligner(folder)
