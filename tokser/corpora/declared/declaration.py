"""What a declaration of a corpus may say: how its files are read, and what is known about it."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from tokser.config.base import Settings
from tokser.config.values import Positive
from tokser.names import MOST_BYTES

__all__ = [
    "Annotations",
    "Archive",
    "Audio",
    "Column",
    "Declaration",
    "Files",
    "Parity",
    "RowsOfTable",
    "Subset",
    "Table",
]


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_several)]
"""One text, or a list of them."""


class Files(Settings):
    """How the recordings are found."""

    include: Annotated[Texts, Field(min_length=1)]
    """Paths below the corpus's folder: * within a name, ** across folders, in any case."""
    exclude: Texts = ()
    """Paths that are no recordings of the corpus."""
    pattern: str
    """Regular expression for the end of the path, without .wav; its named groups are fields."""
    others: Literal["ignore", "refuse"] = "ignore"
    """What becomes of recordings with other names: they are mentioned, or are an error."""


class RowsOfTable(Settings):
    """A table that lists the utterances, instead of files that are found."""

    table: str
    """Its name among `tables`."""
    path: str
    """Path of an utterance's recording, with fields of the row in braces."""


class Parity(Settings):
    """One text for odd numbers, another for even ones."""

    odd: str
    """For 1, 3, 5, ..."""
    even: str
    """For 2, 4, 6, ..."""


class Column(Settings):
    """How a column of the manifest is made for one utterance."""

    value: str = ""
    """Text with fields in braces: {actor}, {name}, {votes.agreement}."""
    file: str = ""
    """Path of a text file that holds it, instead of `value`."""
    case: Literal["as written", "lower", "upper"] = "as written"
    """Letters of the value, before `values` is asked."""
    values: dict[str, str] = Field(default_factory=dict)
    """What stands in the manifest for each value; others are errors."""
    otherwise: str | None = None
    """What stands in the manifest for values that `values` lacks; {} is the value itself."""
    parity: Parity | None = None
    """What stands in the manifest for odd and even numbers."""
    decimal: Literal["", "point", "comma"] = ""
    """The value is a number, written with a decimal point or comma; empty is unknown."""
    between: tuple[float, float] | None = None
    """Least and largest number that it may be."""

    @model_validator(mode="before")
    @classmethod
    def _of_text(cls, given: Any) -> Any:
        return {"value": given} if isinstance(given, str) else given


class Table(Settings):
    """A table beside the recordings: CSV, TSV, JSON, or lines of text."""

    files: Annotated[Texts, Field(min_length=1)]
    """Paths, written as those of recordings; the rows of all of them are one table."""
    line: str = ""
    """Regular expression for lines of a text that has no columns; its named groups are fields."""
    skip: str = ""
    """Regular expression for lines that are left out; with it, all others have to match `line`."""
    encoding: str = "cp1252"
    """Of files that are not UTF-8 or UTF-16."""
    where: dict[str, str] = Field(default_factory=dict)
    """Only rows whose fields match these regular expressions."""
    key: str = ""
    """What a row is about, with its fields in braces."""
    match: str = ""
    """The same of a recording, with its fields in braces."""
    required: bool = True
    """Whether the corpus is malformed without it."""


class Annotations(Table):
    """A table with a row for each annotator of each utterance: their shares become columns."""

    label: Column
    """The class that a row says; empty is left out."""
    annotator: str = ""
    """Who says it, with fields of the row in braces; without, every row is another annotator."""


class Subset(Settings):
    """A choice of utterances, or of labels, and what it should count."""

    about: str = ""
    """What it is, in a few words."""
    keep: dict[str, Texts] = Field(default_factory=dict)
    """Values of columns that stay in."""
    drop: dict[str, Texts] = Field(default_factory=dict)
    """Values of columns that are left out."""
    at_least: dict[str, float] = Field(default_factory=dict)
    """Least numbers of columns; an unknown number is left out."""
    is_part: bool = False
    """Whether it is published and unpacked by itself, so that a corpus may lack it."""
    needs: Texts = ()
    """Tables that have to be there."""
    label: Column | None = None
    """Another way to make the label."""
    relabel: dict[str, str] = Field(default_factory=dict)
    """Other names for labels; after `keep` and `drop`."""
    num_utterances: int | None = None
    """Utterances of the complete corpus."""
    num_speakers: int | None = None
    """Speakers of the complete corpus."""
    per_speaker: int | None = None
    """Utterances of every speaker, where all have as many."""
    labels: dict[str, int] = Field(default_factory=dict)
    """Utterances of every class."""
    sessions: dict[str, int] = Field(default_factory=dict)
    """Utterances of every session."""


class Audio(Settings):
    """What the recordings should be."""

    sampling_rate_hz: Positive | None = None
    """Samples per second and channel, as published."""
    channels: Positive | None = None
    """Channels, as published."""


class Archive(Settings):
    """A part that can be downloaded, as it is published."""

    url: str
    md5: str = ""
    sha256: str = ""
    num_bytes: int
    num_utterances: int
    num_speakers: int | None = None
    hours: float | None = None


class Declaration(Settings):
    """A corpus: how its files are read, and what is known about it."""

    dataset: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=MOST_BYTES)]
    """Its name: `--dataset`, and in the store."""
    title: str = ""
    """Its name as its makers write it."""
    languages: Annotated[Texts, Field(min_length=1)]
    """ISO 639 codes; a single one is every utterance's, unless a column says otherwise."""
    licence: str = ""
    """SPDX identifier, or a few words."""
    citation: str = ""
    """Whom to cite."""
    how_to_get: str = ""
    """How it is obtained."""
    site: str = ""
    """Its page."""
    hours: float | None = None
    """Length of all recordings."""
    layout: str
    """One recording's path, as an example, in a few words."""
    audio: Audio = Audio()
    """What its recordings should be."""
    classes: Texts = ()
    """Labels, where the columns do not say which there are."""
    reader: Literal["", "iemocap", "librispeech"] = ""
    """Code that reads it, where a declaration cannot say how."""
    files: Files | None = None
    """How its recordings are found, each an utterance."""
    rows: RowsOfTable | None = None
    """Instead of `files`: the table whose rows are the utterances."""
    tables: dict[str, Table] = Field(default_factory=dict)
    """Tables by name: {name.column} is the cell of an utterance's row."""
    annotations: Annotations | None = None
    """What each annotator said: makes the columns label_<class> and num_annotators."""
    columns: dict[str, Column] = Field(default_factory=dict)
    """How the manifest's columns are made; id is {name} if it is not there."""
    subsets: dict[str, Subset] = Field(default_factory=dict)
    """What `--subset` takes; `all` is everything unless it is declared."""
    ids: str = ""
    """File beside this one that lists the ids of the complete corpus (CSV, column id)."""
    splits: dict[str, Archive] = Field(default_factory=dict)
    """Parts that are downloaded one by one."""
    url: str = ""
    """Of its single archive, if anyone may download it."""
    num_bytes: int | None = None
    """Size of that archive."""
    num_utterances: int | None = None
    """Recordings in that archive."""
    num_speakers: int | None = None
    """Speakers in that archive."""
    num_sentences: int | None = None
    """Different sentences in that archive."""

    @property
    def all_classes(self) -> tuple[str, ...]:
        """Labels that utterances can have, in alphabetical order."""
        if self.classes:
            return tuple(sorted(self.classes))
        label = self.columns.get("label", Column())
        return tuple(sorted({*label.values.values(), label.otherwise or ""} - {""}))

    @property
    def whole(self) -> Subset:
        """The subset `all`: every utterance, unless it is declared otherwise."""
        return self.subsets.get("all", Subset())

    @property
    def subset_names(self) -> tuple[str, ...]:
        """Names of the subsets, `all` first."""
        return tuple(dict.fromkeys(["all", *self.subsets]))
