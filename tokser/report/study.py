"""What a study is: an output folder whose table stands alone, and what the page shows of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from tokser.experiments.table import Table as ResultsTable
from tokser.report.table import Table

if TYPE_CHECKING:
    from tokser.report.svg import Drawing

__all__ = ["Figure", "FurtherTable", "Interactive", "Panel", "Study", "StudyKind", "StudySection"]


@dataclass(frozen=True)
class Figure:
    """A figure with its caption.

    Attributes:
        name: Of its file.
        drawing: The figure.
        caption: What it shows; one sentence or two.
        is_wide: Whether it takes the whole width of the page.
    """

    name: str
    drawing: "Drawing"
    caption: str
    is_wide: bool = False


@dataclass(frozen=True)
class Interactive:
    """What a script of the page draws, beside what is readable without scripts.

    The template is given this object as `interactive`. Its script finds the data in
    `document.getElementById(NAME + "-data").textContent`, as JSON. A script is on the page once,
    however many use it, and has a scope of its own.

    Attributes:
        name: Prefix of the ids of its elements, unique on the page.
        template: Name of its HTML in `report/templates`, such as `map.html.jinja`.
        script: Name of its script there, such as `map.js.jinja`; empty for none.
        content: What the template shows.
        data: What the script reads: anything that JSON can hold; None for none.
    """

    name: str
    template: str
    script: str = ""
    content: Mapping[str, Any] = field(default_factory=dict)
    data: Any = None


@dataclass(frozen=True)
class Panel:
    """Figures and tables below one heading.

    Attributes:
        title: The heading.
        note: What a reader must know before looking; empty for nothing.
        figures: Side by side where there is room.
        tables: Below the figures.
        folded: Tables that are shown only when asked for, by what they are called then.
        interactive: Above all of these; None for none.
    """

    title: str
    note: str = ""
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    folded: Mapping[str, Table] = field(default_factory=dict)
    interactive: Interactive | None = None

    @property
    def all_tables(self) -> tuple[Table, ...]:
        """Shown and folded ones."""
        return (*self.tables, *self.folded.values())


@dataclass(frozen=True)
class Study:
    """One output folder of a command whose table stands alone.

    Attributes:
        folder: Where it is.
        kind: What it holds.
        table: Its table.
        further: Further tables that it has, by file.
        provenance: What made it; empty where the folder does not say.
    """

    folder: Path
    kind: "StudyKind"
    table: pd.DataFrame
    further: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        """Those of the command that made the folder, as far as they are known."""
        return dict(self.provenance.get("settings", {}))

    @property
    def dataset(self) -> str:
        """Name of the corpus; that of the folder where the folder does not say."""
        named = self.settings.get("dataset") or self.provenance.get("inputs", {}).get("dataset")
        return str(named or self.folder.resolve().name)


@dataclass(frozen=True)
class StudyKind:
    """A kind of study.

    Attributes:
        command: What writes it: `probe` for `tokser probe`.
        table: Its table, whose file tells the kind of a folder.
        title: What the section is about, after the name of the corpus.
        explanation: Paragraphs at the top of the section.
        panels: Makes what is shown, of a study, the prefix of the names of its files, and the title
            of the corpus. It loads matplotlib when it is called, not before.
        further: Tables that some folders have besides.
    """

    command: str
    table: ResultsTable
    title: str
    explanation: Sequence[str]
    panels: Callable[[Study, str, str], Sequence[Panel]]
    further: Sequence[ResultsTable] = ()


@dataclass(frozen=True)
class FurtherTable:
    """A table that some results folders of an experiment have, shown in the section of its dataset.

    Attributes:
        table: What it holds.
        panels: Makes what is shown, of the table, the prefix of the names of its files, and the
            title of the dataset and task. It loads matplotlib when it is called, not before.
    """

    table: ResultsTable
    panels: Callable[[pd.DataFrame, str, str], Sequence[Panel]]


@dataclass(frozen=True)
class StudySection:
    """What the page says about one study."""

    name: str
    """Prefix of the names of its files."""
    title: str
    explanation: Sequence[str]
    panels: Sequence[Panel]
    stage: str
    """Name of the command that wrote it."""
    command: str | None
    """What makes the folder again; None where it does not say."""
