import pytest

from tokser.report.table import Column, ColumnGroup, Number, Share, Table, Text, shown

MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Number(0.1234), "12.3"),
        (Number(0.1234, 0.1, 0.2), "12.3 [10.0, 20.0]"),
        (Number(0.1234, digits=2), "12.34"),
        (Number(1 / 5_700), "0.018"),
        (Number(0.0), "0.0"),
        (Number(-0.5, scale=1, digits=2), "-0.50"),
        (Number(0.031, -0.01, 0.07, is_difference=True), f"+3.1 [{MINUS}1.0, +7.0]"),
        (Number(0.0001, is_difference=True), "+0.0"),
    ],
)
def test_numbers_as_text(number, text):
    assert str(number) == text


def test_shares_show_percent_and_count():
    assert (str(Share(3, 0.06)), str(Share(0, 0.0))) == ("6.0 (3)", "0")


def test_blank_and_marked_cells():
    assert [shown(cell) for cell in (None, 3, "a", Text("LEAKS", "stamp"))] == [
        "",
        "3",
        "a",
        "LEAKS",
    ]


def grouped(rows, totals=()):
    under = ColumnGroup((Column("UAR", "interval"), Column("n", "number")), "Random", "LEAKS")
    groups = (ColumnGroup((Column("Features"),)), under)
    return Table("t", "Scores", groups, rows, totals)


def test_headings_stamps_and_groups():
    table = grouped((("a", Number(0.5), 3),), ("All", None, 3))
    assert table.headings == ("Features", "Random: UAR", "Random: n")
    assert table.stamps == ("Random: LEAKS.",)
    assert [cells for _, cells in table.by_group(table.rows[0])] == [("a",), table.rows[0][1:]]
    assert len(table.body) == 2


def test_a_row_of_another_width_is_refused():
    with pytest.raises(ValueError, match="expected 3 cells, got 2"):
        grouped((("a", 3),))


def test_wide_tables_are_parted_by_groups_of_columns():
    titles = ("", "a", "b", "c")
    groups = tuple(ColumnGroup((Column("x"), Column("y")), title) for title in titles)
    row = tuple(f"{title}{name}" for title in titles for name in "xy")
    table = Table("t", "Scores", groups, (row,), totals=row, notes=("A note.",))
    assert table.side_by_side(3) == [table]
    first, last = table.side_by_side(2)
    assert first.rows == ((*row[:6],),) and first.totals == row[:6]
    assert last.rows == ((*row[:2], *row[6:]),)
    assert (first.caption, last.caption) == ("Scores: a, b", "Scores: c")
    assert (first.notes, last.notes) == ((), table.notes)


def test_chosen_columns_are_kept_in_every_group():
    table = grouped((("a", Number(0.5), 3),), ("All", None, 3)).with_columns({"n"})
    assert table.headings == ("Features", "Random: n")
    assert table.body == (("a", 3), ("All", 3))
