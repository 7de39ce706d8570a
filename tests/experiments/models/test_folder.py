"""A model folder: read back bit by bit, and refused with a sentence if anything is wrong."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from tokser.checksummed_folder import ChecksummedFolder
from tokser.errors import (
    CheckpointError,
    DamagedFileError,
    MissingInputError,
    SettingsError,
    TokserError,
)
from tokser.experiments.models.folder import load_model, save_model
from tokser.experiments.models.model import Model

FILES = ("model.json", "weights.safetensors", "SHA256SUMS")


@pytest.fixture
def folder(model, tmp_path):
    save_model(model, tmp_path / "model")
    return tmp_path / "model"


def rewrite(folder, change) -> None:
    """Change `model.json` as its own writer would: its digest is noted."""
    content = json.loads((folder / "model.json").read_text())
    change(content)
    (folder / "model.json").write_text(json.dumps(content))
    ChecksummedFolder(folder).note("model.json")


def reweigh(folder, change) -> None:
    """Change the arrays likewise."""
    arrays = load_file(folder / "weights.safetensors")
    change(arrays)
    save_file(arrays, folder / "weights.safetensors")
    ChecksummedFolder(folder).note("weights.safetensors")


def test_what_is_loaded_is_what_was_saved(model, folder, tables):
    loaded = load_model(folder)
    for name in (field.name for field in dataclasses.fields(Model)):
        if name != "members":
            assert getattr(loaded, name) == getattr(model, name), name
    for one, other in zip(loaded.members, model.members, strict=True):
        assert (one.features, one.widths, one.head) == (other.features, other.widths, other.head)
        assert (one.params, one.dev_score) == (other.params, other.dev_score)
    expected = model.predict_functionals(tables)
    pd.testing.assert_frame_equal(loaded.predict_functionals(tables), expected)


def test_a_loaded_model_is_saved_as_the_same_bytes(folder, tmp_path):
    save_model(load_model(str(folder)), tmp_path / "again" / "model")
    for name in (*FILES, "README.md"):
        assert (tmp_path / "again" / "model" / name).read_bytes() == (folder / name).read_bytes()


def test_saving_twice_changes_nothing_and_another_model_is_refused(model, folder):
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    save_model(model, folder)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    with pytest.raises(SettingsError, match="new folder"):
        save_model(dataclasses.replace(model, weights=(1.0, 0.5)), folder)


def test_a_model_is_written_whole_or_not_at_all(model, tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr("tokser.experiments.models.folder.save", fail)
    with pytest.raises(OSError, match="disk full"):
        save_model(model, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_it_is_saved_into_an_empty_folder(model, tmp_path):
    (tmp_path / "model").mkdir()
    save_model(model, tmp_path / "model")
    assert load_model(tmp_path / "model").classes == model.classes


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_noticed(folder, name):
    content = (folder / name).read_bytes()
    for place in sorted({0, 20, len(content) // 2, len(content) - 2}):
        broken = bytearray(content)
        broken[place] ^= 1
        (folder / name).write_bytes(broken)
        with pytest.raises(DamagedFileError, match=name):
            load_model(folder)
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(DamagedFileError, match=name):
        load_model(folder)


@pytest.mark.parametrize("name", FILES)
def test_an_absent_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(TokserError, match=name):
        load_model(folder)


def test_the_card_may_be_edited_and_removed(folder):
    (folder / "README.md").write_text("mine")
    load_model(folder)
    (folder / "README.md").unlink()
    load_model(folder)


def test_no_model_and_an_unfinished_one_are_told_apart(tmp_path):
    with pytest.raises(MissingInputError, match="Correct the path"):
        load_model(tmp_path / "nowhere")
    (tmp_path / "begun.json").write_text("{}")
    with pytest.raises(MissingInputError, match=r"not finished.*same `tokser fit` again"):
        load_model(tmp_path)


@pytest.mark.parametrize("found", [2, "1.1", None, True, [1]])
def test_another_format_is_refused(folder, found):
    rewrite(folder, lambda content: content.update(format=found))
    with pytest.raises(CheckpointError, match=r"format 1, got format.*Update tokser"):
        load_model(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["members"][0].update(kind="oracle"), "heads among mlp.*got 'oracle'"),
        (lambda c: c["members"][0].update(description={}), "no 'column_major'"),
        (lambda c: c.update(members=[]), "0 members"),
        (lambda c: c.update(how="single"), "2 members of a model that is single"),
        (lambda c: c.update(weights=[1.0]), "1 weights of 2 members"),
        (lambda c: c.update(classes=[]), "0 classes for classification"),
        (lambda c: c.update(classes=["anger", "neutral"]), "3 outputs for 2 classes"),
        (lambda c: c.update(task="clustering"), "task: Input should be"),
        (lambda c: c.pop("recipe"), "recipe: Field required"),
        (lambda c: c.update(novelty=1), "novelty: Extra inputs"),
        (lambda c: c["members"][0]["terms"][0].update(width=5), "the features have 5"),
        (lambda c: c["recipe"].update(aligners={"a": "../../x"}), "outside the folder"),
        (lambda c: c["members"][0].update(folder="elsewhere"), "names as its member"),
        (lambda c: c["members"][0].update(folder="."), "a member that refers to a folder"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(folder, change, message):
    rewrite(folder, change)
    with pytest.raises((CheckpointError, MissingInputError), match=message):
        load_model(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", "nonsense", "[" * 100_000])
def test_what_is_no_description_is_refused(folder, text):
    (folder / "model.json").write_text(text)
    ChecksummedFolder(folder).note("model.json")
    with pytest.raises(CheckpointError, match="description of a model"):
        load_model(folder)


HEAD = "member-1/head/coefficients"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop(HEAD), "no 'coefficients'"),
        (lambda a: a.pop("member-0/scaling/mean"), "no 'scaling/mean'"),
        (lambda a: a[HEAD].__setitem__((0, 0), np.nan), "not finite in coefficients"),
        (lambda a: a["member-0/scaling/mean"].__setitem__(1, np.inf), "not finite in scaling/mean"),
        (lambda a: a["member-0/scaling/scale"].__setitem__(1, np.nan), "in scaling/scale"),
        (lambda a: a["member-0/scaling/scale"].__setitem__(1, 0), "in scaling/scale"),
        (lambda a: a.update({HEAD: a[HEAD][:2].copy()}), "not 3 rows"),
        (lambda a: a.update({HEAD: a[HEAD][:, :5].copy()}), "weights for 5 functionals"),
        (lambda a: a.update({HEAD: a[HEAD][0].copy()}), "no matrix"),
        (lambda a: a.update({"member-0/scaling/scale": np.ones(3)}), r"\(3,\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused(folder, change, message):
    reweigh(folder, change)
    with pytest.raises(CheckpointError, match=message):
        load_model(folder)


def test_weights_that_are_no_safetensors_are_refused(folder):
    for content in (b"", b"nonsense", b"\xff" * 100):
        (folder / "weights.safetensors").write_bytes(content)
        ChecksummedFolder(folder).note("weights.safetensors")
        with pytest.raises(CheckpointError, match="arrays in safetensors"):
            load_model(folder)


def test_a_model_may_be_moved_and_be_read_only(folder, tmp_path, tables):
    moved = tmp_path / "elsewhere" / "renamed"
    shutil.copytree(folder, moved)
    for path in [*moved.iterdir(), moved]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert len(load_model(moved).predict_functionals(tables)) == 7
    finally:
        moved.chmod(0o755)


def test_passwords_of_addresses_are_left_out(model, tmp_path):
    secret = "s3://user:hush@bucket/emodb.zarr"
    model = dataclasses.replace(
        model,
        provenance={"store": {"path": secret}, "settings": {"store": secret}},
        estimate=dataclasses.replace(model.estimate, results=secret),
    )
    save_model(model, tmp_path / "model")
    for path in (tmp_path / "model").iterdir():
        assert b"hush" not in path.read_bytes()
