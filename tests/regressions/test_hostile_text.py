"""Text of a corpus is text: no markup, no escape sequence, no formula, wherever it is shown."""

import csv
import io
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from rich.text import Text

from tokser.cli import main
from tokser.cli.output import show, tell
from tokser.console import PlainConsole
from tokser.plain_text import one_line, plain
from tokser.progress import say
from tokser.report.attention import draw_attention
from tokser.report.confusion import Confusion
from tokser.report.confusion_figure import confusion_matrix
from tokser.report.renderers import render_table
from tokser.report.renderers.html import render_html
from tokser.report.table import Column, ColumnGroup, Number, Table
from tokser.terminal.manifests import counts_table, faults_table
from tokser.terminal.stores import provenance_table, store_table

HOSTILE = (
    "[/x]",
    "[laughter]",
    "[bold red]angry",
    ":smile:",
    "\x1b]0;owned\x07\x1b[31mred",
    "\x9b31mred",
    "over\rwritten",
    "evil\u202etxt",
)
SHOWN = (*HOSTILE[:4], "red", "red", "overwritten", "eviltxt")
PAIRS = list(zip(HOSTILE, SHOWN, strict=True))
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]")


@pytest.mark.parametrize(("text", "left"), PAIRS)
def test_escapes_and_control_characters_are_dropped(text, left):
    assert plain(text) == left
    assert one_line(f"  {text}\n\tand  more ") == f"{left} and more"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("\x1b[1;31mx\x1b[0m", "x"),
        ("\x1b]8;;http://h\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPq#0\x1b\\x", "x"),
        ("\x1bcx", "x"),
        ("x\x1b", "x"),
        ("a\x00b\x7fc\udcffd", "abc\N{REPLACEMENT CHARACTER}d"),
        ("Ärger 怒り 🙂\tx\ny", "Ärger 怒り 🙂\tx\ny"),
    ],
)
def test_every_kind_of_escape_sequence(text, left):
    assert plain(text) == left


def manifest():
    columns = {"speaker": HOSTILE, "num_samples": 16_000, "sampling_rate_hz": 16_000}
    return pd.DataFrame({"label": HOSTILE, **columns}, index=list(HOSTILE))


def info():
    feature = {"name": "m/[/x]", "num_rows": 1, "dim": 2, "dtype": "float16", "num_bytes": 1}
    feature |= {"compression": "none", "complete_percent": 100.0, "pooled": True}
    facts = {"path": "[/x].zarr", "dataset": "[red]d", "num_utterances": 1, "backend": "zarr"}
    made_by = {"m": {"model": "[/x]\x1b[31m"}}
    return facts | {"format": 1, "features": [feature], "provenance": made_by}


@pytest.mark.parametrize(
    "table",
    [
        lambda: counts_table(manifest()),
        lambda: faults_table(dict(zip(HOSTILE, HOSTILE, strict=True))),
        lambda: store_table(info()),
        lambda: provenance_table(info()),
    ],
    ids=["counts", "faults", "store", "provenance"],
)
def test_tables_on_the_terminal(table, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    show(table())
    shown = capsys.readouterr().out
    assert "[/x]" in shown
    assert not CONTROL.search(shown)


def test_a_style_that_is_meant_is_kept(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    PlainConsole().print(Text("wrong", style="red"), "[/x]")
    assert capsys.readouterr().out == "\x1b[31mwrong\x1b[0m [/x]\n"


@pytest.mark.parametrize(("text", "left"), PAIRS)
def test_messages(text, left, capsys):
    say(text)
    tell(text)
    assert tuple(capsys.readouterr()) == (f"{left}\n", f"{left}\n")


def test_an_error_of_the_command_line(tmp_path):
    name = "[/x]\x1b[31m.csv"
    call = ["manifest", "csv", "--root", str(tmp_path), "--table", str(tmp_path / name)]
    result = CliRunner().invoke(main, call)
    assert result.exit_code == 2
    assert "[/x].csv: expected" in result.output
    assert not CONTROL.search(result.output)


FORMULAS = ("=1+1", "+cmd|x", "-2+3", "@SUM(A1)", "\t=1", "\x1b[31m=1")
CELLS = (*HOSTILE, *FORMULAS, "a|b", "$x$ & <b>", "*", "[0.5]", "line\nbreak", "a & b \\ #1_%~^{}")


def hostile_table():
    rows = tuple((text, Number(-0.5, digits=2, scale=1), -3) for text in CELLS)
    columns = (Column("=features"), Column("UAR", "number"), Column("n", "number"))
    return Table("t", CELLS[0], (ColumnGroup(columns),), rows, notes=("a\nb", "=1"))


def test_csv_has_no_formulas_and_numbers_stay_numbers():
    rows = list(csv.reader(io.StringIO(render_table(hostile_table(), "csv"))))
    assert rows[0] == ["'=features", "UAR", "n"]
    cells = dict(zip(CELLS, rows[1:], strict=False))
    assert [cells[text][0] for text in FORMULAS] == [
        "'=1+1", "'+cmd|x", "'-2+3", "'@SUM(A1)", "'=1", "'=1",
    ]  # fmt: skip
    assert {tuple(row[1:]) for row in rows[1 : len(CELLS) + 1]} == {("-0.5", "-3")}
    assert cells["line\nbreak"][0] == "line break"
    assert rows[len(CELLS) + 1 :] == [["# a b"], ["# =1"]]


def test_a_text_that_is_a_number_stays_one():
    groups = (ColumnGroup((Column("p"),)),)
    text = render_table(Table("t", "t", groups, (("-1.5e-3",), ("+2",), ("-x",))), "csv")
    assert text == "p\n-1.5e-3\n+2\n'-x\n"


def test_markdown_keeps_each_row_on_one_line_with_nothing_live():
    lines = render_table(hostile_table(), "md").splitlines()
    rows = [line for line in lines if line.startswith("| ")][2:]
    assert len(rows) == len(CELLS)
    for row in rows:
        assert len(re.findall(r"(?<!\\)\|", row)) == 4
        assert not re.search(r"(?<!\\)[<>*`$&\[]", row.replace("\\\\", ""))
        assert not CONTROL.search(row)


def test_latex_rows_begin_with_no_argument():
    text = render_table(hostile_table(), "latex")
    assert not CONTROL.search(text)
    assert not re.search(r"(rule|\\\\)\s*[\[*]", text)
    assert r"    {}[/x] & -0.50 & -3 \\" in text
    assert r"a \& b \textbackslash{} \#1\_\%\textasciitilde{}\textasciicircum{}\{\} &" in text
    assert text.count(r"\\" + "\n") == len(CELLS) + 1


def test_html_holds_text_as_text():
    html = render_html(hostile_table())
    assert "$x$ &amp; &lt;b&gt;" in html
    assert "<b>" not in html


def test_figures_hold_labels_as_text():
    names = ["$\\frac{", "<b>&", "\x1b[31m[/x]", "x\x00"]
    confusion = Confusion(tuple(names), np.eye(len(names), dtype=np.int64))
    drawing = confusion_matrix("<i>[/x]\x00", confusion)
    for svg in (str(drawing), drawing.render("svg").decode()):
        assert not CONTROL.search(svg)
        assert "<b>" not in svg and "<i>" not in svg
    assert "$\\frac{" in drawing
    assert "&lt;b&gt;&amp;" in drawing


def test_attention_maps_hold_tokens_as_text(tmp_path):
    tokens = ["$\\frac{", "<b>&", "\x1b[31m[/x]", "--"]
    out = tmp_path / "map.svg"
    draw_attention(np.eye(4), tokens=tokens, duration_s=1, title="$x$ \x00", out=out)
    svg = out.read_text(encoding="utf-8")
    ElementTree.fromstring(svg)
    assert not CONTROL.search(svg)
    assert "$\\frac{" in svg and "$x$" in svg
