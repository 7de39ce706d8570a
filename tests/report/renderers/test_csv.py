import csv
import io

from tokser.report.renderers.csv import render_csv
from tokser.report.table import Column, ColumnGroup, Number, Table


def test_ends_of_intervals_have_their_own_columns():
    groups = (ColumnGroup((Column("f"), Column("u", "interval"))),)
    rows = (("x", Number(0.123456, 0.1, 0.2)), ("y", None))
    text = render_csv(Table("t", "", groups, rows, notes=("n",)))
    assert text == "f,u,u low,u high\nx,12.3456,10,20\ny,,,\n# n\n"


def test_every_cell_is_read_back_in_its_column(table):
    text = render_csv(table)
    assert text.endswith("# A & note.\n")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[0]["UAR high"] == "89"
    assert rows[1] == {
        "Features": table.rows[1][0], "UAR": "50", "UAR low": "", "UAR high": "",
        "Accuracy": "", "n": "54",
    }  # fmt: skip


def test_shares_have_a_column_of_counts(grouped):
    rows = list(csv.DictReader(io.StringIO(render_csv(grouped))))
    name = "Random split: anger"
    assert [row[name] for row in rows[:3]] == ["25", "", "0"]
    assert [row[f"{name} count"] for row in rows[:3]] == ["3", "", "0"]
    assert rows[3]["Features"] == "# Random split: LEAKS SPEAKERS."
