import logging
import re

import pytest
from click.testing import CliRunner

from tokser.cli import main
from tokser.cli.messages import choose_verbosity, messages_shown
from tokser.progress import LOGGER, say, warn


def spoken():
    LOGGER.debug("detail")
    say("message")
    warn("warning")


@pytest.mark.parametrize(
    ("verbosity", "lines"),
    [
        ("quiet", ["warning"]),
        ("normal", ["message", "warning"]),
        ("verbose", ["debug detail", "info message", "warning warning"]),
    ],
)
def test_verbosity_decides_which_messages_are_shown(capsys, verbosity, lines):
    with messages_shown(verbosity):
        spoken()
    shown = capsys.readouterr().err.splitlines()
    assert [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in shown] == lines
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in shown) == (verbosity == "verbose")


def test_messages_hold_no_secret_and_no_escape_sequence(capsys):
    with messages_shown():
        say("\x1b[31mhttp://u:pw@h/x [bold]")
    assert capsys.readouterr().err == "http://h/x [bold]\n"


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("pool", "-q"), ["warning"]),
        (("-q", "pool"), ["warning"]),
        (("pool",), ["message", "warning"]),
        (("pool", "-v"), ["debug detail", "info message", "warning warning"]),
    ],
)
def test_verbosity_is_taken_before_and_after_the_command(monkeypatch, arguments, shown):
    monkeypatch.setattr("tokser.stages.pool.pool", lambda settings: spoken() or ["x"])
    result = CliRunner().invoke(main, [*arguments, "--store", "x.zarr"])
    assert result.exit_code == 0
    assert result.stdout == "x.zarr: functionals of x\n"
    lines = [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in result.stderr.splitlines()]
    assert [line for line in lines if line.split()[-1] in ("detail", "message", "warning")] == shown


def test_verbosity_ends_with_the_command(monkeypatch):
    before = LOGGER.level
    monkeypatch.setattr("tokser.stages.pool.pool", lambda settings: ["x"])
    CliRunner().invoke(main, ["pool", "-v", "--store", "x.zarr"])
    assert LOGGER.level == before
    choose_verbosity("normal")
    assert LOGGER.level == logging.INFO
