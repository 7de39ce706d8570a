"""Locales without UTF-8, and shells whose background children ignore Ctrl-C."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import tokser
from tokser.cli.failures import reports_errors

pytestmark = pytest.mark.slow

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
TABLE = "path,label,speaker\na.wav,Ärger,Zoë\nb.wav,怒り,Zoë\n"


@pytest.fixture
def corpus(tmp_path):
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / name, np.zeros(800), 16_000)
    (tmp_path / "t.csv").write_text(TABLE, encoding="utf-8")
    return tmp_path


def in_ascii(corpus, *words):
    command = [sys.executable, "-m", "tokser", "manifest", "csv", "--root", ".", *words]
    return subprocess.run(
        command, cwd=corpus, env=os.environ | ASCII, capture_output=True, timeout=120
    )


def test_without_utf_8_tables_are_printed_and_files_written(corpus):
    done = in_ascii(corpus, "--table", "t.csv", "--out", "m.csv")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert rb"\xc4rger" in done.stdout and rb"\u6012\u308a" in done.stdout
    text = (corpus / "m.csv").read_text(encoding="utf-8")
    assert "Ärger" in text and "怒り" in text


def test_a_name_outside_the_locale_names_the_variable_to_set(corpus):
    (corpus / "t.csv").write_text("path,label\nä.wav,x\n", encoding="utf-8")
    done = in_ascii(corpus, "--table", "t.csv")
    assert done.returncode == 3
    assert b"Set PYTHONUTF8=1" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_name_of_other_bytes_is_told(capsys):
    @reports_errors
    def command():
        "bad\udcff.wav".encode()

    with pytest.raises(SystemExit, match="2"):
        command()
    assert "expected a name in UTF-8, got other bytes. Rename" in capsys.readouterr().err


def test_text_files_are_utf_8_and_one_function_prints():
    for path in Path(tokser.__file__).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\.write_text\((?![^)]*encoding=)", text), path
        assert not re.search(r"\bPath.*\.open\(\"[wa]t?\"(?![^)]*encoding=)", text), path
        if path.name != "console.py":
            assert "rich.console import Console" not in text, f"{path}: PlainConsole is ours"
        if path.parent.name == "cli" and path.name != "output.py":
            assert not re.search(r"click\.s?echo\(", text), f"{path}: tell() is ours"


WAITING = """
import sys, time
from tokser.cli.failures import reports_errors
from tokser.cli.process import own_process
@reports_errors
def command():
    print("ready", flush=True)
    time.sleep(60)
with own_process():
    command()
"""


@pytest.mark.parametrize("ignores", [False, True])
def test_sigterm_always_stops_it_ctrl_c_unless_ignored(ignores):
    how = "SIG_IGN" if ignores else "default_int_handler"
    start = f"import signal; signal.signal(signal.SIGINT, signal.{how})"
    command = [sys.executable, "-c", start + WAITING]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        if ignores:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=0.2)
            process.terminate()
        _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert told == "Stopped. What is done is kept: run the same command again.\n"
