"""Settings of `tokser compare-results`."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tokser.config.base import Settings
from tokser.config.option import Option
from tokser.config.values import Seed

__all__ = ["CompareResultsSettings"]


class CompareResultsSettings(Settings):
    """`tokser compare-results`: which folders are held against each other."""

    TOPICS: ClassVar = {"Input": ("results",), "Tests": ("seed",), "Output": ("formats", "out")}

    results: Annotated[
        tuple[Path, ...], Field(min_length=1), Option(is_argument=True, kind="folder")
    ]
    """Folders written by `tokser classify` or `tokser regress`, of one corpus."""
    seed: Seed = 0
    """Seed of random swaps, where more than 13 speakers are tested."""
    formats: Annotated[
        tuple[Literal["latex", "csv", "md"], ...],
        Option(
            name="--format", aliases=("--formats",), unset="shown on the terminal; csv with --out"
        ),
    ] = ()
    """Format of the tables: written into --out, a file each; printed without it."""
    out: Annotated[Path | None, Option(short="-o", kind="folder", unset="tables are printed")] = (
        None
    )
    """Folder of the tables."""
