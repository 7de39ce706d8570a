import errno
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time

import click
import pandas as pd
import pytest
from click.testing import CliRunner

from tokser.cli import main
from tokser.errors import RunError, TokserError


def leaf_commands(command, path=()):
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from leaf_commands(command.get_command(context, name), (*path, name))
    else:
        yield " ".join(path), command


COMMANDS = dict(leaf_commands(main))


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_commands_are_those_that_are_promised():
    assert set(COMMANDS) == {
        *("doctor", "corpora", "download", "manifest", "extract", "pretrain", "align", "pool"),
        "report",
        *("attention", "audit", "classify", "compare", "fit", "regress"),
        *("predict", "export-model", "transfer", "tune", "apply", "transcribe", "encoders"),
        *("probe", "similarity", "scaling", "labels", "relabel", "compare-results"),
        *("push", "pull"),
        *(
            "store info",
            "store verify",
            "store repair",
            "store convert",
            "store export",
            "store update",
            "store remove",
            "store drop",
            "store import",
            "run",
            "demo",
        ),
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_a_help_text(name):
    command = COMMANDS[name]
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts}"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_what_holds_without_an_option(name):
    context = click.Context(COMMANDS[name])
    for parameter in COMMANDS[name].params:
        if isinstance(parameter, click.Option) and not parameter.is_flag:
            _, text = parameter.get_help_record(context)
            assert re.search(r"\[(may be repeated; )?(default: \S|required)", text), text


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_in_the_help_parses(name):
    for line in COMMANDS[name].example.replace("\\\n", "").splitlines():
        command, arguments = main, shlex.split(line)[1:]
        while isinstance(command, click.Group):
            _, command, arguments = command.resolve_command(click.Context(main), arguments)
        assert command is COMMANDS[name]
        command.make_context(name, arguments)


def test_the_list_of_commands_says_what_their_help_says():
    context = click.Context(main)
    for name in main.list_commands(context):
        text = main.get_command(context, name).help.partition("\n\n")[0]
        assert main.first_sentence(context, name) == " ".join(text.split())


@pytest.mark.parametrize("arguments", [("-h",), ("store", "-h"), ("store", "info", "-h")])
def test_short_help_is_the_help(arguments):
    assert run(*arguments).output == run(*arguments[:-1], "--help").output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--http://u:pw@h/x",), "'--http://h/x'"),
        (("extract", "--shard-mb", "http://u:pw@h/x"), "'http://h/x' is not a valid integer"),
        (("\x1b[31mred",), "No such command"),
        (("store", "info", "s", "http://u:pw@h"), "http://h"),
    ],
)
def test_a_wrong_call_shows_no_secret_and_no_escape(arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "pw" not in result.output and "\x1b" not in result.output


def test_the_module_runs_as_the_command_does():
    result = subprocess.run(
        [sys.executable, "-m", "tokser", "--version"], capture_output=True, text=True, check=True
    )
    assert result.stdout.startswith("tokser, version")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("manifest", "emodb", "--root", "none"), "none"),
        (("extract", "--dataset", "emodb", "--root", ".", "--store", "x"), "--encoder"),
        (("probe",), "Missing option '--store'"),
        (("classify", "--store", "x"), "Missing option '--dataset'"),
        (("fit", "--store", "x"), "Missing option '--dataset'"),
        (("pool", "--store", "none.zarr"), "expected a store, got nothing"),
        (("align", "--store", "none.zarr", "--checkpoint", "none"), "pretraining run"),
        (("pretrain", "--store", "none.zarr"), "expected a store"),
        (("classify", "--dataset", "emodb", "--protocol", "luck", "--store", "x"), "luck"),
        (("classify", "--dataset", "emodb", "--workspace", "nowhere"), "nowhere/stores/emodb"),
        (
            ("classify", "--dataset", "emodb", "--grid", "batchsize=4"),
            "nearest known key: 'batch_size'",
        ),
        (("classify", "--dataset", "emodb", "--classifier", "oracle", "--store", "x"), "oracle"),
        (("regress", "--dataset", "iemocap", "--target", " ", "--store", "x"), "targets"),
        (("audit", "--store", "none.zarr"), "expected a store"),
        (("report", "none"), "none"),
        (("run", "none.yaml"), "expected a pipeline file"),
        (("store", "info", "none.zarr"), "expected a store"),
        (("store", "verify", "none.zarr"), "expected a store"),
    ],
)
def test_wrong_input_exits_with_2_and_one_clear_message(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RunError("x", expected="a", got="b", remedy="c"), 1),
        (TokserError("x", expected="a", got="b", remedy="c"), 1),
        (KeyboardInterrupt(), 1),
    ],
)
def test_a_run_that_fails_exits_with_1(monkeypatch, error, code):
    def fail(*_):
        raise error

    monkeypatch.setattr("tokser.stages.pool.pool", fail)
    assert run("pool", "--store", "x.zarr").exit_code == code


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.EIO, "s.zarr/rows: expected a disk that works, got"),
        (errno.ESTALE, "expected a drive that answers, got"),
        (errno.EMFILE, "Raise the limit (`ulimit -n 4096`)"),
        (errno.ENOLCK, "expected a disk with file locks, got"),
        (errno.ENOENT, "expected a file or folder, got"),
        (errno.EREMOTEIO, "s.zarr/rows: expected to read or write it, got"),
        (None, "expected to read or write it, got"),
    ],
)
def test_faults_of_disks_and_drives_are_one_sentence(monkeypatch, number, message):
    def fail(*_):
        raise OSError(number, os.strerror(number), "s.zarr/rows") if number else OSError("odd")

    monkeypatch.setattr("tokser.stages.pool.pool", fail)
    result = run("pool", "--store", "x.zarr")
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output
    assert len(result.output.splitlines()) == 1


def test_doctor_says_what_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    result = run("doctor", "--workspace", tmp_path)
    assert result.exit_code == 0
    for word in ("torch and torchaudio", "match each other", "disk", "librispeech", "licence"):
        assert word in result.output
    assert "tokser download emodb" in result.output


def test_doctor_counts_the_corpora_that_it_is_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "900")
    evaluation = tmp_path / "licensed" / "Session2" / "dialog" / "EmoEvaluation" / "Ses02F_x.txt"
    evaluation.parent.mkdir(parents=True)
    evaluation.write_text("[1.0 - 2.0]\tSes02F_x_F000\tneu\t[2.5, 2.5, 2.5]")
    result = run("doctor", "--workspace", tmp_path, "--corpora", tmp_path / "licensed")
    assert result.exit_code == 0
    for words in (
        "licensed: 1 utterances; incomplete: Session1: 0 of 1,085 utterances",
        "Session2: 1 of 1,023 utterances",
        "no recording of 1 in sentences/wav (Ses02F_x_F000)",
    ):
        assert words in result.output
    evaluation.write_text("[1.0 - 2.0] nonsense")
    assert run("doctor", "--corpora", tmp_path / "licensed").exit_code == 1


def test_doctor_exits_with_1_when_torchaudio_does_not_fit(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setitem(sys.modules, "torchaudio", None)
    result = run("doctor", "--workspace", tmp_path)
    assert result.exit_code == 1
    assert 'pip install "torch==' in result.output


def test_verify_exits_with_1_and_names_the_utterance(stores):
    store = stores.complete()
    assert run("store", "verify", store.path).exit_code == 0
    file = stores.folder / "toy.zarr/whisper-tiny/layer-2/rows/c/0/0"
    data = bytearray(file.read_bytes())
    data[5] ^= 1
    file.write_bytes(data)
    result = run("store", "verify", store.path)
    assert result.exit_code == 1
    assert "utt000" in result.output


def test_info_shows_features_and_quarantine(stores):
    table = stores.manifest(3)
    plan = stores.plan(table)
    with stores.writer(table) as writer:
        rows = [stores.rows(plan, "layer-2", 0), None, stores.rows(plan, "layer-2", 2)]
        writer.plan_group(plan).commit(0, {"layer-2": rows}, {"utt001": "broken"})
    result = run("store", "info", stores.folder / "toy.zarr")
    assert result.exit_code == 0
    for word in ("whisper-tiny/layer-2", "100 %", "utt001", "broken"):
        assert word in result.output


@pytest.mark.parametrize("place", ["x.csv", "x/y.csv"])
def test_a_file_where_a_folder_is_wanted_is_named(tmp_path, place, real_data):
    (tmp_path / "file").write_text("")
    root = real_data / "data" / "emodb"
    result = run("manifest", "emodb", "--root", root, "--out", tmp_path / "file" / place)
    assert result.exit_code == 2
    assert "expected a folder" in result.output
    assert ".partial" not in result.output


def test_sigterm_stops_as_ctrl_c_does(monkeypatch):
    def interrupted(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    monkeypatch.setattr("tokser.stages.doctor.doctor", interrupted)
    before = signal.getsignal(signal.SIGTERM)
    result = run("doctor")
    assert result.exit_code == 1
    assert "Stopped. What is done is kept" in result.output
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_demo_leaves_foreign_folders_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    result = run("demo", "--out", tmp_path)
    assert result.exit_code == 2
    assert "a folder with other files" in result.output
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_info_prints_json(stores):
    store = stores.complete()
    result = run("store", "info", store.path, "--json")
    content = json.loads(result.stdout)
    (feature,) = content["features"]
    assert feature["name"] == "whisper-tiny/layer-2"
    assert feature["complete_percent"] == 100.0
    assert feature["num_rows"] == store["whisper-tiny/layer-2"].num_rows
    assert content["provenance"]["whisper-tiny"] == {"model": "whisper-tiny"}


def test_info_shows_features_and_what_made_them(stores):
    result = run("store", "info", stores.complete().path)
    assert result.exit_code == 0
    for part in ("whisper-tiny/layer-2", "100 %", "model whisper-tiny", "zarr, format 1"):
        assert part in result.output


def test_repair_says_what_will_be_computed_again(stores):
    store = stores.complete()
    assert "nothing to repair" in run("store", "repair", store.path).output
    (file,) = (file for file in (stores.path / "whisper-tiny").rglob("rows/c/0/0"))
    file.unlink()
    result = run("store", "repair", store.path)
    assert result.exit_code == 0
    assert "whisper-tiny/layer-2: 1 shards to be computed again" in result.output


def test_a_store_is_converted_and_exported(stores, tmp_path):
    store = stores.complete()
    result = run("store", "convert", store.path, tmp_path / "copy.h5")
    assert result.exit_code == 0
    assert "1 features" in result.output
    assert run("store", "verify", tmp_path / "copy.h5").exit_code == 0
    result = run("store", "export", tmp_path / "copy.h5", tmp_path / "out", "--format", "parquet")
    assert result.exit_code == 0
    table = pd.read_parquet(tmp_path / "out" / "whisper-tiny" / "layer-2.parquet")
    assert set(store.ids) <= set(table.astype(str).to_numpy().ravel())
