import shutil
import subprocess

import pytest

from tokser.report.renderers.latex import render_latex


def test_special_characters_are_escaped(table):
    text = render_latex(table)
    assert r"\label{tab:emodb-scores}" in text
    assert r"\caption{EmoDB: 100 \% of it \& more}" in text
    assert r"a\_b/layer-2 & \textbf{86.5 [83.1, 89.0]} & 90.0 & 535 \\" in text
    assert r"x | y \textbackslash{} \{z\} \textasciitilde{}" in text
    assert r"\footnotesize A \& note." in text


def test_numbers_are_aligned_right(table):
    assert r"\begin{tabular}{lrrr}" in render_latex(table)


def test_groups_span_their_columns(grouped):
    lines = [line.strip() for line in render_latex(grouped).splitlines()]
    heads = r" & \multicolumn{2}{c}{Unseen speakers} & \multicolumn{1}{c}{Random split} \\"
    start = lines.index(heads.strip())
    assert lines[start + 1] == r"\cmidrule(lr){2-3} \cmidrule(lr){4-4}"
    assert lines[start + 2] == r"Features & UAR [95 \%] & p & anger \\"


def test_stamps_totals_and_marks(grouped):
    text = render_latex(grouped)
    assert r"\footnotesize Random split: LEAKS SPEAKERS." in text
    assert r"\textbf{.01} & 25.0 (3) \\" in text
    assert text.index(r"All &  & 4 & 0 \\") > text.rindex(r"\midrule")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="NO pdflatex HERE: LaTeX is not set")
def test_pdflatex_sets_it(table, grouped, tmp_path):
    head = r"\documentclass{article}\usepackage{booktabs}\begin{document}"
    content = render_latex(table) + render_latex(grouped)
    (tmp_path / "t.tex").write_text(f"{head}{content}\\end{{document}}")
    subprocess.run(["pdflatex", "-halt-on-error", "t.tex"], cwd=tmp_path, check=True)
