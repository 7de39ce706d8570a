import csv
import io
import shutil
import subprocess

import pytest

from tokser.report.typeset import Percent, Table, typeset

TABLE = Table(
    "emodb-scores",
    "EmoDB: 100 % of it & more",
    ("Features", "UAR", "Accuracy", "n"),
    (
        ("a_b/layer-2", Percent(0.865, 0.831, 0.89, is_best=True), Percent(0.9), 535),
        (r"x | y \ {z} ~ ^ # $ <b>", Percent(0.5), None, 54),
    ),
    ("Random split: LEAKS SPEAKERS.",),
)


def test_csv_has_ends_of_intervals_in_columns_of_their_own_and_all_digits():
    table = Table("t", "", ("f", "u"), (("x", Percent(0.123456, 0.1, 0.2)), ("y", None)), ("n",))
    assert typeset(table, "csv") == "f,u,u low,u high\nx,12.3456,10,20\ny,,,\n# n\n"


def test_csv_is_read_back_with_every_cell_in_its_column():
    text = typeset(TABLE, "csv")
    assert text.endswith("# Random split: LEAKS SPEAKERS.\n")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[0]["UAR high"] == "89"
    assert rows[1] == {
        "Features": TABLE.rows[1][0], "UAR": "50", "UAR low": "", "UAR high": "",
        "Accuracy": "", "n": "54",
    }  # fmt: skip


def test_markdown_marks_the_best_and_escapes_its_own_signs():
    lines = typeset(TABLE, "md").splitlines()
    assert lines[2] == "| Features | UAR | Accuracy | n |"
    assert lines[3] == "| --- | ---: | ---: | ---: |"
    assert lines[4] == r"| a\_b/layer-2 | **86.5 \[83.1, 89.0\]** | 90.0 | 535 |"
    assert lines[5].startswith(r"| x \| y \\ {z}")
    assert r"\<b\>" in lines[5]
    assert "Random split: LEAKS SPEAKERS." in lines


def test_latex_escapes_what_it_would_take_for_commands():
    text = typeset(TABLE, "latex")
    assert r"\label{tab:emodb-scores}" in text
    assert r"\caption{EmoDB: 100 \% of it \& more}" in text
    assert r"a\_b/layer-2 & \textbf{86.5 [83.1, 89.0]} & 90.0 & 535 \\" in text
    assert r"x | y \textbackslash{} \{z\} \textasciitilde{}" in text
    assert r"\begin{tabular}{lrrr}" in text
    assert "LEAKS SPEAKERS" in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="NO pdflatex HERE: LaTeX is not set")
def test_latex_can_be_set(tmp_path):
    head = r"\documentclass{article}\usepackage{booktabs}\begin{document}"
    (tmp_path / "t.tex").write_text(head + typeset(TABLE, "latex") + r"\end{document}")
    subprocess.run(["pdflatex", "-halt-on-error", "t.tex"], cwd=tmp_path, check=True)
