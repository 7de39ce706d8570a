"""What a newcomer meets in the first ten minutes, and the sentence that mends it."""

import errno
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tokser.cli import main
from tokser.cli.main import FIRST_STEPS

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
BROKEN = {
    "torchaudio": 'raise OSError("libcudart.so.13: cannot open shared object file")',
    "torch": 'raise ImportError("libtorch_cuda.so: undefined symbol: ncclCommShrink")',
}
"""How packages of another CUDA version fail."""


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def message(result):
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return " ".join(result.output.split())


def test_tokser_alone_explains_five_steps():
    result = run()
    assert result.exit_code == 0
    assert result.output == f"{FIRST_STEPS}\n"
    for number in range(1, 6):
        assert f"\n  {number}. " in result.output
    assert max(map(len, result.output.splitlines())) <= 100


def commands_of_the_steps():
    text = re.sub(r"\\\n +", "", FIRST_STEPS)
    starts = [line.partition("tokser ")[2] for line in text.splitlines() if "  tokser " in line]
    return [command.partition("   ")[0] for command in starts]


def test_every_command_of_the_steps_parses():
    found = commands_of_the_steps()
    assert len(found) == 7
    for text in found:
        command: click.Command = main
        context = click.Context(main)
        arguments = shlex.split(text)
        name, command, arguments = command.resolve_command(context, arguments)
        command.make_context(name, arguments)


@pytest.mark.parametrize(
    ("dataset", "way"),
    [
        ("librispeech", "`tokser download librispeech --split dev-clean` fetches a part."),
        ("emodb", "`tokser download emodb` fetches it."),
        ("iemocap", "it needs a licence, `tokser doctor` says how to get one."),
    ],
)
def test_a_corpus_that_is_not_there_says_how_to_get_it(tmp_path, dataset, way):
    assert way in message(run("manifest", dataset, "--root", tmp_path / "none"))
    assert way in message(run("manifest", dataset, "--root", tmp_path))


def test_a_folder_of_another_corpus_is_recognised(real_data):
    root = real_data / "data" / "LibriSpeech"
    got = message(run("manifest", "emodb", "--root", root))
    assert "which looks like librispeech. Name the dataset librispeech" in got


def extract(tmp_path, root, encoder):
    return run(
        *("extract", "--dataset", "emodb", "--root", root, "--encoder", encoder),
        *("--store", tmp_path / "x.zarr"),
    )


def test_no_network_to_the_hub_says_how_to_bring_the_model(real_data, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    got = message(extract(tmp_path, real_data / "data" / "emodb", "openai/whisper-none"))
    assert "no answer from the hub" in got
    assert "`hf download openai/whisper-none --local-dir FOLDER` and name the folder." in got


def test_a_misspelt_model_says_what_an_id_is(real_data, tmp_path):
    got = message(extract(tmp_path, real_data / "data" / "emodb", "whisper base"))
    assert "an id is owner/name, e.g. openai/whisper-base; a local folder needs ./" in got


def broken(tmp_path, package):
    folder = tmp_path / "broken" / package
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(BROKEN[package])
    return folder.parent


def in_a_process(*arguments, path):
    paths = [str(path), *filter(None, [os.environ.get("PYTHONPATH")])]
    result = subprocess.run(
        [sys.executable, "-m", "tokser", *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "300"},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in result.stderr
    return result.returncode, " ".join((result.stdout + result.stderr).split())


@pytest.mark.parametrize("package", BROKEN)
def test_a_torch_that_does_not_fit_is_told_by_the_doctor(tmp_path, package):
    code, got = in_a_process("doctor", path=broken(tmp_path, package))
    assert code == 1
    assert f"{package} cannot be imported" in got
    assert 'pip install "torch==' in got


@pytest.mark.parametrize("package", BROKEN)
def test_a_torch_that_does_not_fit_sends_to_the_doctor(tmp_path, real_data, package):
    folder = broken(tmp_path, package)
    if package == "torchaudio":  # which only extraction needs
        root, model = real_data / "data" / "emodb", real_data / "models" / "whisper-base"
        arguments = ("--root", root, "--encoder", model, "--store", tmp_path / "x.zarr")
        code, got = in_a_process("extract", "--dataset", "emodb", *arguments, path=folder)
    else:
        code, got = in_a_process("pretrain", "--store", "none.zarr", path=folder)
    assert code == 2
    assert "`tokser doctor`" in got


def test_a_bug_of_our_own_is_not_called_a_broken_installation(monkeypatch):
    def fail(*_):
        raise ImportError("cannot import name", name="tokser.store")

    monkeypatch.setattr("tokser.stages.doctor.doctor", fail)
    assert isinstance(run("doctor").exception, ImportError)


def test_no_space_says_what_to_do(real_data, tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr("tokser.corpora.manifest.write_atomically", full)
    root = real_data / "data" / "emodb"
    result = run("manifest", "emodb", "--root", root, "--out", tmp_path / "m.csv")
    assert result.exit_code == 1
    assert "expected room on the disk, got No space left on device. Make room" in message(result)


@pytest.mark.parametrize("program", ["python3.9", "python3.10"])
def test_another_python_is_named(program):
    python = shutil.which(program)
    answers = python and subprocess.run([python, "--version"], capture_output=True, check=False)
    if not answers or answers.returncode:
        pytest.skip(f"{program.upper()} IS NOT INSTALLED")
    result = subprocess.run(
        [python, "-m", "tokser"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert result.returncode != 0
    assert "tokser needs Python 3.11 or later, this is" in result.stderr


def test_a_pipeline_that_comes_with_tokser_is_found_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    from tokser.pipeline import load_pipeline

    names = [load_pipeline(Path(name)).name for name in ("demo.yaml", "pipelines/demo.yaml")]
    assert names[0] == names[1]
    got = message(run("run", "elsewhere/demo.yaml"))
    assert "or name one that comes with tokser: demo.yaml, emodb-aligned.yaml" in got
