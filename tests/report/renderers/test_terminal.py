import re

from tokser.console import PlainConsole
from tokser.report.renderers.terminal import render_terminal
from tokser.report.table import Column, ColumnGroup, Table


def printed(table, capsys, monkeypatch) -> str:
    monkeypatch.setenv("COLUMNS", "100")
    PlainConsole().print(render_terminal(table))
    return capsys.readouterr().out


def test_groups_stamps_and_numbers(grouped, capsys, monkeypatch):
    lines = printed(grouped, capsys, monkeypatch).splitlines()
    text = "\n".join(lines)
    assert lines[0].strip() == "Grouped"
    for part in ("Unseen speakers", "Random split", "LEAKS SPEAKERS", "UAR [95 %]"):
        assert part in text
    assert "50.0 [40.0, 60.0]" in text and "25.0 (3)" in text


def test_stamps_are_red(grouped, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    before, _, after = printed(grouped, capsys, monkeypatch).partition("LEAKS SPEAKERS")
    assert re.search(r"\x1b\[[0-9;]*31m$", before)
    assert after.startswith("\x1b[0m")


def test_hostile_text_is_shown_as_text(capsys, monkeypatch):
    groups = (ColumnGroup((Column("[/x]"),), "[red]g", "\x1b[31mS"),)
    shown = printed(Table("t", "[bold]c", groups, (("[/x]\x1b[31m",),)), capsys, monkeypatch)
    assert "\x1b" not in shown
    assert shown.count("[/x]") == 2 and "[red]g" in shown and "[bold]c" in shown
