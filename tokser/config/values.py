"""The kinds of values that settings of several commands have, with their ranges and options."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from tokser.config.base import FORMER_PROTOCOLS, PROTOCOL_ALIASES, VARIANT_ALIASES
from tokser.config.option import Option
from tokser.names import MOST_BYTES

__all__ = [
    "CLASS_NAME",
    "LARGEST",
    "ClassifierName",
    "ClassifierNames",
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
    "RegressorNames",
    "Scheduler",
    "Seed",
    "Store",
    "Stores",
    "TargetName",
    "Track",
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
_FrameHeadNames = Literal["superb", "emobox", "attentive", "transformer", "cross-attention"]
ClassifierNames = Literal["mlp", "linear", "logreg", "svm", "mlp-sklearn", _FrameHeadNames]
RegressorNames = Literal["ridge", "mlp", "linear", "mlp-sklearn", _FrameHeadNames]
CLASS_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
"""A class of another package: `package.module:Class`."""
TargetName = Annotated[str, Field(pattern=r"^\S(.*\S)?$", max_length=200)]
"""A column of the manifest that holds numbers."""


def _resolved(name: Any) -> Any:
    known = PROTOCOL_ALIASES | FORMER_PROTOCOLS
    return known.get(name, name) if isinstance(name, str) else name


def _present_variant(name: Any) -> Any:
    return VARIANT_ALIASES.get(name, name) if isinstance(name, str) else name


def _one_or_several(value: Any) -> Any:
    """Write one store in a list as if it were alone, so that it is one setting."""
    return value[0] if isinstance(value, list | tuple) and len(value) == 1 else value


def _head_among(*known: str) -> AfterValidator:
    """Return what accepts one of the known heads, or a class of another package."""

    def check(name: str) -> str:
        if name in known or CLASS_NAME.fullmatch(name):
            return name
        raise PydanticCustomError(
            "literal_error",
            "none of {expected}",
            {"expected": ", ".join(f"'{one}'" for one in (*known, "package.module:Class"))},
        )

    return AfterValidator(check)


ClassifierName = Annotated[ClassifierNames | str, _head_among(*get_args(ClassifierNames))]
RegressorName = Annotated[RegressorNames | str, _head_among(*get_args(RegressorNames))]
HeadName = Annotated[
    ClassifierNames | RegressorNames | str,
    _head_among(*get_args(ClassifierNames), *get_args(RegressorNames)),
]
VariantName = Annotated[str, BeforeValidator(_present_variant)]
ProtocolName = Annotated[
    Literal["random", "speaker", "fixed", "text", "kfold"], BeforeValidator(_resolved)
]

Track = Annotated[
    tuple[Literal["wandb", "mlflow", "tensorboard"], ...], Option(joined=",", metavar="NAME,...")
]
Store = Annotated[str, Option(metavar="PATH|URL")]
Stores = Annotated[str | tuple[str, ...], Field(min_length=1), BeforeValidator(_one_or_several)]
"""One store as a text, or several."""
Device = Annotated[str, Option(metavar="auto|cpu|cuda|cuda:N|mps")]
Scheduler = Annotated[str | None, Option(metavar="tcp://HOST:PORT", unset="only this process")]
Cluster = Annotated[Path | None, Option(kind="file", unset="only this process")]
