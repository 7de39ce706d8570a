"""The kinds of values that settings of several commands have, with their ranges and options."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from tokser.config.base import FORMER_PROTOCOLS, PROTOCOL_ALIASES, VARIANT_ALIASES
from tokser.config.option import Option
from tokser.names import MOST_BYTES

__all__ = [
    "LARGEST",
    "ClassifierName",
    "Cluster",
    "ContextName",
    "DatasetName",
    "Device",
    "Few",
    "HeadName",
    "NumFolds",
    "OptionValue",
    "Positive",
    "PrecisionName",
    "ProtocolName",
    "QueriesName",
    "Rate",
    "RegressorName",
    "Scheduler",
    "Seed",
    "Store",
    "TargetName",
    "VariantName",
    "Widths",
]

LARGEST = 2**31 - 1
"""Number of anything: what 32 bits hold."""
Positive = Annotated[int, Field(gt=0, le=LARGEST)]
Few = Annotated[int, Field(gt=0, le=10_000)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, le=LARGEST)]
NumFolds = Annotated[int, Field(ge=3, le=10_000), Option(name="--folds")]
Widths = Annotated[tuple[Annotated[int, Field(gt=0, le=65_536)], ...], Field(max_length=32)]
"""Units of each block of an MLP."""
OptionValue = Annotated[int, Field(ge=-LARGEST, le=LARGEST)] | float | str
"""Of an option of a variant's own."""

DatasetName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=MOST_BYTES),
    Option(kind="dataset", metavar="NAME"),
]
"""A corpus that tokser knows, or the name that a user gives a corpus of their own."""
PrecisionName = Literal["fp32", "bf16", "fp16"]
ContextName = Literal["pad", "fit"]
QueriesName = Literal["word", "full"]
ClassifierName = Literal["mlp", "linear", "logreg", "svm", "mlp-sklearn"]
RegressorName = Literal["ridge", "mlp-sklearn"]
HeadName = Literal["mlp", "linear", "logreg", "svm", "mlp-sklearn", "ridge"]
TargetName = Literal["valence", "arousal", "dominance"]


def _resolved(name: Any) -> Any:
    known = PROTOCOL_ALIASES | FORMER_PROTOCOLS
    return known.get(name, name) if isinstance(name, str) else name


def _present_variant(name: Any) -> Any:
    return VARIANT_ALIASES.get(name, name) if isinstance(name, str) else name


VariantName = Annotated[str, BeforeValidator(_present_variant)]
ProtocolName = Annotated[
    Literal["random", "speaker", "fixed", "text", "kfold"], BeforeValidator(_resolved)
]

Store = Annotated[str, Option(metavar="PATH|URL")]
Device = Annotated[str, Option(metavar="auto|cpu|cuda|cuda:N|mps")]
Scheduler = Annotated[str | None, Option(metavar="tcp://HOST:PORT", unset="only this process")]
Cluster = Annotated[Path | None, Option(kind="file", unset="only this process")]
