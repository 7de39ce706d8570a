import pytest

from tokser.report.table import Column, ColumnGroup, Number, Share, Table, Text


@pytest.fixture
def table() -> Table:
    """Two configurations; one has no accuracy, and an interval has no ends."""
    columns = (Column("UAR", "interval"), Column("Accuracy", "number"), Column("n", "number"))
    rows = (
        ("a_b/layer-2", Number(0.865, 0.831, 0.89, is_best=True), Number(0.9), 535),
        (r"x | y \ {z} ~ ^ # $ <b>", Number(0.5), None, 54),
    )
    groups = (ColumnGroup((Column("Features"), *columns)),)
    return Table("emodb-scores", "EmoDB: 100 % of it & more", groups, rows, notes=("A & note.",))


@pytest.fixture
def grouped() -> Table:
    """Two protocols, of which one leaks; a total; marked text; shares."""
    groups = (
        ColumnGroup((Column("Features"),)),
        ColumnGroup((Column("UAR", "interval"), Column("p", "number")), "Unseen speakers"),
        ColumnGroup(
            (Column("anger", "share"),), "Random split", "LEAKS SPEAKERS", missing="not scored"
        ),
    )
    rows = (("a", Number(0.5, 0.4, 0.6), Text(".01"), Share(3, 0.25)), ("b", None, None, None))
    return Table("t", "Grouped", groups, rows, totals=("All", None, 4, Share(0, 0.0)))
