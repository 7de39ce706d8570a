import re

from tokser.report.renderers.html import render_html


def cells(html):
    """Return the texts of each row's cells."""
    rows = re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)
    found = [re.findall(r"<(?:td|th)\b[^>]*>(.*?)</(?:td|th)>", row, re.DOTALL) for row in rows]
    return [[" ".join(re.sub(r"<[^>]+>", "", cell).split()) for cell in row] for row in found]


def test_intervals_have_a_column_of_their_own(table):
    head, first, second = cells(render_html(table))
    assert head == ["Features", "UAR", "95 %", "Accuracy", "n"]
    assert first == ["a_b/layer-2", "86.5 (best)", "83.1 to 89.0", "90.0", "535"]
    assert second[1:] == ["50.0", "none", "", "54"]


def test_text_is_escaped_and_breaks_after_slashes(table):
    html = render_html(table)
    assert "a_b/<wbr>layer-2" in html
    assert "&lt;b&gt;" in html and "<b>" not in html
    assert 'aria-label="EmoDB: 100 % of it &amp; more"' in html
    assert '<p class="note below">A &amp; note.</p>' in html


def test_groups_stamps_and_rows_without_a_group(grouped):
    html = render_html(grouped)
    assert '<th scope="col" rowspan="2" class="">Features</th>' in html
    assert '<th colspan="3" scope="colgroup" class="group">Unseen speakers' in html
    assert '<strong class="stamp">LEAKS SPEAKERS</strong>' in html
    assert '<td colspan="1" class="group note">not scored</td>' in html


def test_shares_are_shaded_and_totals_stand_in_the_foot(grouped):
    html = render_html(grouped)
    assert '<td style="--share:0.250">25.0<small>3</small></td>' in html
    foot = html[html.index("<tfoot>") :]
    assert "All" in foot and '<td style="--share:0.000" class="none">0</td>' in foot
    assert "<strong>.01</strong>" in html
