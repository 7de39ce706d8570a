"""Damaged inputs: read all the same, or one error that says where and what; never a traceback.

TOKSER_FAULTS=full tries many more.
"""

import importlib.util
import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from tokser.corpora.tables.audformat import read_audformat
from tokser.corpora.tables.emobox import read_emobox
from tokser.corpora.tables.lhotse import read_lhotse
from tokser.corpora.tables.records import Naming, rows_of
from tokser.encoders import load_encoder
from tokser.errors import TokserError
from tokser.testing.encoders import build_tiny_bert, build_tiny_wavlm, build_tiny_whisper

_SPEC = importlib.util.spec_from_file_location(
    "regressions_mutations", Path(__file__).with_name("mutations.py")
)
mutations = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(mutations)


def refused(run, how):
    """Run what reads the damaged input; anything but an error of tokser's is a failure."""
    try:
        run()
    except TokserError as error:
        assert len(str(error)) < 2_000, how
        return True
    except BaseException as error:
        raise AssertionError(f"{how}: {type(error).__name__}: {error}") from error
    return False


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    build_tiny_whisper(folder / "whisper")
    build_tiny_wavlm(folder / "wavlm")
    build_tiny_bert(folder / "bert", ["the rain stops", "my dog sleeps"] * 4)
    for path in folder.rglob("provenance.json"):
        path.unlink()
    return folder


@pytest.mark.parametrize("name", ["whisper", "wavlm", "bert"])
def test_a_damaged_model_is_told_or_works(models, tmp_path, name):
    def run():
        encoder = load_encoder(
            str(folder), revision=None, device=torch.device("cpu"), context="fit"
        )
        encoder.provenance()
        inputs = [np.zeros(800, np.float32)]
        if encoder.kind == "text":
            inputs = encoder.tokenize(["the rain stops"])
        encoder.encode(inputs, [encoder.num_layers])

    num_refused = 0
    seeds = mutations.num_seeds(10, 400)
    for seed in seeds:
        folder = shutil.copytree(models / name, tmp_path / str(seed))
        how = mutations.damage(folder, seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            num_refused += refused(run, how)
        shutil.rmtree(folder)
    assert num_refused


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    audformat = pytest.importorskip("audformat")
    root = tmp_path_factory.mktemp("audformat")
    files = audformat.filewise_index([f"wav/{k}.wav" for k in range(3)])
    made = audformat.Database("x", languages=["de"])
    made.schemes["emotion"] = audformat.Scheme(labels=["anger", "neutral"])
    made.schemes["speaker"] = audformat.Scheme("int", labels={3: {"sex": "m"}, 8: {"sex": "f"}})
    made["files"] = audformat.Table(files)
    for column, cells in (("emotion", ["anger", "neutral", None]), ("speaker", [3, 8, 3])):
        made["files"][column] = audformat.Column(scheme_id=column)
        made["files"][column].set(cells)
    made.save(str(root), storage_format="csv")
    return root


def test_a_damaged_audformat_database_is_told_or_works(database, tmp_path):
    def run():
        records = read_audformat(folder, ["files"])
        rows_of(records, table="files", root=folder, naming=Naming(unlabelled=True))

    num_refused = 0
    for seed in mutations.num_seeds(30, 1_000):
        folder = shutil.copytree(database, tmp_path / str(seed))
        how = mutations.damage(folder, seed)
        num_refused += refused(run, how)
        shutil.rmtree(folder)
    assert num_refused


RECORDING = {
    "id": "r",
    "sources": [{"type": "file", "channels": [0, 1], "source": "a.wav"}],
    "sampling_rate": 16_000,
    "num_samples": 8_000,
    "duration": 0.5,
    "channel_ids": [0, 1],
}
SUPERVISION = {
    "id": "s",
    "recording_id": "r",
    "start": 0.0,
    "duration": 0.5,
    "channel": 0,
    "text": "hello",
    "language": "English",
    "speaker": "a",
    "custom": {"emotion": "sad"},
}
CUT = {
    "id": "c",
    "start": 0,
    "duration": 0.5,
    "channel": [0, 1],
    "supervisions": [SUPERVISION],
    "recording": RECORDING,
    "type": "MultiCut",
}
EMOBOX = {"key": "a", "wav": "a.wav", "emo": "sad", "type": "raw", "channel": 1, "length": 1.5}


@pytest.mark.parametrize(
    ("lines", "read"),
    [
        ([RECORDING, SUPERVISION], read_lhotse),
        ([CUT], read_lhotse),
        ([EMOBOX, EMOBOX | {"key": "b"}], read_emobox),
    ],
    ids=["supervisions", "cuts", "emobox"],
)
def test_damaged_json_lines_are_told_or_work(tmp_path, lines, read):
    def run():
        records = read([tmp_path / "x.jsonl"])
        rows_of(records, table="x", root=tmp_path, naming=Naming(unlabelled=True))

    num_refused = 0
    for seed in mutations.num_seeds(160, 4_000):
        (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, lines)))
        how = mutations.damage(tmp_path, seed)
        num_refused += refused(run, how)
    assert num_refused
