"""What the shell completes: click speaks the shells' languages, these are its answers."""

import os
import shutil
import subprocess
import sys

import pytest

from tokser.corpora.declared.names import declared_names

pytestmark = pytest.mark.slow

SETUP = {
    "bash": 'eval "$(_TOKSER_COMPLETE=bash_source tokser)"',
    "zsh": 'eval "$(_TOKSER_COMPLETE=zsh_source tokser)"',
    "fish": "_TOKSER_COMPLETE=fish_source tokser | source",
}
"""As docs/shell-completion.md says."""

EXPECTED = {
    "tokser ext": ["extract"],
    "tokser store ver": ["verify"],
    "tokser manifest ": [*declared_names(), "csv", "audformat", "lhotse", "emobox", "segment"],
    "tokser extract --dataset emo": ["emodb", "emov-db", "emovo"],
    "tokser extract --precision ": ["fp32", "bf16", "fp16"],
    "tokser download --only": ["--only-missing"],
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A PATH on which `tokser` is this tokser."""
    folder = tmp_path_factory.mktemp("bin")
    script = folder / "tokser"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tokser "$@"\n')
    script.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def output(command, path, **environment):
    result = subprocess.run(
        command,
        env=os.environ | {"PATH": path} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in result.stderr
    return result.stdout


@pytest.mark.parametrize("line", EXPECTED)
def test_bash_completes(path, line):
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    script = (
        f"{SETUP['bash']}; complete -p tokser >/dev/null || exit 1; COMP_WORDS=({quoted}); "
        f"COMP_CWORD={len(words) - 1}; _tokser_completion tokser; "
        "printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    assert output(["bash", "-c", script], path).split() == EXPECTED[line]


@pytest.mark.parametrize("line", EXPECTED)
def test_zsh_is_answered_as_it_asks(path, line):
    # zsh takes three lines a word: its kind, the word, a help text.
    words = line.split(" ")
    answer = output(
        ["tokser"],
        path,
        _TOKSER_COMPLETE="zsh_complete",
        COMP_WORDS=line,
        COMP_CWORD=str(len(words) - 1),
    ).splitlines()
    assert answer[1::3] == EXPECTED[line]
    assert set(answer[0::3]) == {"plain"}


@pytest.mark.parametrize("line", EXPECTED)
def test_fish_is_answered_as_it_asks(path, line):
    # fish takes a word a line: its kind, a comma, the word, and a help text behind a tab.
    answer = output(
        ["tokser"],
        path,
        _TOKSER_COMPLETE="fish_complete",
        COMP_WORDS=line,
        COMP_CWORD=line.rpartition(" ")[2],
    )
    words = [answered.partition(",")[2].partition("\t")[0] for answered in answer.splitlines()]
    assert words == EXPECTED[line]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_shell_itself_takes_the_script(path, shell):
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell.upper()} IS NOT INSTALLED: its script is not run, only read")
    setup = (
        f"autoload -U compinit && compinit -u -D; {SETUP[shell]}"
        if shell == "zsh"
        else SETUP[shell]
    )
    check = {"zsh": "print ${_comps[tokser]}", "fish": "complete -c tokser"}[shell]
    assert "tokser" in output([program, "-c", f"{setup}; {check}"], path)


@pytest.mark.parametrize(("shell", "mark"), [("zsh", "compdef"), ("fish", "complete --no-files")])
def test_the_scripts_for_other_shells_name_tokser(path, shell, mark):
    script = output(["tokser"], path, _TOKSER_COMPLETE=f"{shell}_source")
    assert mark in script
    assert "_TOKSER_COMPLETE=" in script
