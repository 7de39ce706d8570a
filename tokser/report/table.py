"""One table: what it shows, apart from how a page, a paper or a spreadsheet writes it."""

import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

__all__ = [
    "PERCENT",
    "Cell",
    "Column",
    "ColumnGroup",
    "Number",
    "Share",
    "Table",
    "Text",
    "is_strong",
    "shown",
]

PERCENT = 100
_MINUS = "\N{MINUS SIGN}"
_LEAST_PERCENT = 0.05
"""Percentages below this would be shown as 0.0: they have two significant digits instead."""

Kind = Literal["text", "number", "interval", "share"]
"""`interval`: numbers with 95 % intervals; `share`: counts with their share of the row."""


@dataclass(frozen=True)
class Number:
    """A number, with its 95 % interval where it has one.

    Attributes:
        value: The number itself.
        low: Lower end of the interval; None where there is none.
        high: Upper end.
        digits: Decimals that are shown.
        scale: Factor of what is shown: 100 for percent.
        is_best: Whether it is the best of its column.
        is_difference: Whether it is shown with its sign.
    """

    value: float
    low: float | None = None
    high: float | None = None
    digits: int = 1
    scale: float = PERCENT
    is_best: bool = False
    is_difference: bool = False

    def shown(self, value: float) -> str:
        """Write a number as this one is written."""
        scaled = self.scale * value
        if self.is_difference:
            return f"{scaled:+.{self.digits}f}".replace("-", _MINUS)
        if self.scale == PERCENT and 0 < abs(scaled) < _LEAST_PERCENT:
            return f"{scaled:.2g}"
        return f"{scaled:.{self.digits}f}"

    @property
    def ends(self) -> tuple[str, str] | None:
        """The interval, as it is written."""
        if self.low is None or self.high is None:
            return None
        return self.shown(self.low), self.shown(self.high)

    def __str__(self) -> str:
        ends = self.ends
        return self.shown(self.value) + (f" [{ends[0]}, {ends[1]}]" if ends else "")


@dataclass(frozen=True)
class Share:
    """A count, and its share of the row as a fraction."""

    count: int
    share: float

    @property
    def percent(self) -> str:
        """The share, in percent."""
        return Number(self.share).shown(self.share)

    def __str__(self) -> str:
        return f"{self.percent} ({self.count})" if self.count else "0"


@dataclass(frozen=True)
class Text:
    """A text that is marked: `strong`, or a `stamp` such as LEAKS SPEAKERS."""

    text: str
    mark: Literal["strong", "stamp"] = "strong"

    def __str__(self) -> str:
        return self.text


Cell: TypeAlias = str | int | Number | Share | Text | None
"""None: an empty cell."""


@dataclass(frozen=True)
class Column:
    """A column: its heading, and what its cells are."""

    name: str
    kind: Kind = "text"


@dataclass(frozen=True)
class ColumnGroup:
    """Columns that belong together.

    Attributes:
        columns: At least one.
        title: Heading above theirs; empty for none.
        stamp: Warning that holds for all of them, for instance LEAKS SPEAKERS.
        missing: Text of a row that has none of them.
    """

    columns: tuple[Column, ...]
    title: str = ""
    stamp: str = ""
    missing: str = ""


@dataclass(frozen=True)
class Table:
    """A table, the same in every format.

    Attributes:
        name: Name of its file, and its label.
        caption: What it shows.
        groups: Columns, the first of which names the row.
        rows: A cell for each column.
        totals: The last row, set apart; empty for none.
        notes: What a reader must know.
        is_sortable: Whether rows may stand in another order on the page.
    """

    name: str
    caption: str
    groups: tuple[ColumnGroup, ...]
    rows: tuple[tuple[Cell, ...], ...]
    totals: tuple[Cell, ...] = ()
    notes: tuple[str, ...] = ()
    is_sortable: bool = True

    def __post_init__(self) -> None:
        expected = len(self.columns)
        for row in self.body:
            if len(row) != expected:
                raise ValueError(f"{self.name}: expected {expected} cells, got {len(row)}")

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of all groups."""
        return tuple(column for group in self.groups for column in group.columns)

    @property
    def headings(self) -> tuple[str, ...]:
        """Heading of each column, with that of its group."""
        return tuple(
            f"{group.title}: {column.name}" if group.title else column.name
            for group in self.groups
            for column in group.columns
        )

    @property
    def body(self) -> tuple[tuple[Cell, ...], ...]:
        """Rows, and the totals where there are any."""
        return (*self.rows, self.totals) if self.totals else self.rows

    @property
    def stamps(self) -> tuple[str, ...]:
        """Warnings on groups of columns, for formats whose headings do not have them."""
        return tuple(f"{group.title}: {group.stamp}." for group in self.groups if group.stamp)

    def side_by_side(self, most: int) -> "list[Table]":
        """Part a table so that at most `most` titled groups of columns are side by side.

        Returns:
            Each with the columns that have no title, such as the names of the rows; the last with
            the notes. The table itself where it is narrow enough.
        """
        titled = [place for place, group in enumerate(self.groups) if group.title]
        if len(titled) <= most:
            return [self]
        plain = [place for place, group in enumerate(self.groups) if not group.title]
        starts = range(0, len(titled), most)
        found = [self._kept([*plain, *titled[start : start + most]]) for start in starts]
        return [*found[:-1], replace(found[-1], notes=self.notes)]

    def _kept(self, places: Sequence[int]) -> "Table":
        """Return the groups at some places, without the notes."""

        def cells(row: tuple[Cell, ...]) -> tuple[Cell, ...]:
            parts = [part for _, part in self.by_group(row)]
            return tuple(cell for place in places for cell in parts[place])

        groups = tuple(self.groups[place] for place in places)
        titles = ", ".join(group.title for group in groups if group.title)
        return replace(
            self,
            caption=f"{self.caption}: {titles}",
            groups=groups,
            rows=tuple(map(cells, self.rows)),
            totals=cells(self.totals) if self.totals else (),
            notes=(),
        )

    def with_columns(self, names: Collection[str]) -> "Table":
        """Return the table with some columns of its titled groups, those without a title whole.

        Args:
            names: Headings, in lower case.
        """
        kept = [
            [not group.title or column.name.lower() in names for column in group.columns]
            for group in self.groups
        ]

        def cells(row: tuple[Cell, ...]) -> tuple[Cell, ...]:
            return tuple(itertools.compress(row, itertools.chain.from_iterable(kept)))

        groups = tuple(
            replace(group, columns=tuple(itertools.compress(group.columns, own)))
            for group, own in zip(self.groups, kept, strict=True)
            if any(own)
        )
        return replace(
            self,
            groups=groups,
            rows=tuple(map(cells, self.rows)),
            totals=cells(self.totals) if self.totals else (),
        )

    def by_group(self, row: tuple[Cell, ...]) -> Iterator[tuple[ColumnGroup, tuple[Cell, ...]]]:
        """Part a row's cells by the groups of columns."""
        start = 0
        for group in self.groups:
            yield group, row[start : start + len(group.columns)]
            start += len(group.columns)


def is_strong(cell: Cell) -> bool:
    """Return whether a cell is set in bold: the best of its column, or marked."""
    return isinstance(cell, Text) or (isinstance(cell, Number) and cell.is_best)


def shown(cell: Cell) -> str:
    """Write a cell as text."""
    return "" if cell is None else str(cell)
