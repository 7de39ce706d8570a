"""The grid that classifiers are searched over, and the text of `--grid` that stands for it."""

import difflib
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from tokser.config.base import Settings
from tokser.config.option import Option, option_of
from tokser.config.values import Positive, Rate, Widths
from tokser.errors import SettingsError, shortened

__all__ = ["ONE_POINT", "GridSettings"]

ONE_POINT: Mapping[str, Any] = {"batch_sizes": (32,), "learning_rates": (1e-3,)}
"""What a command line without a grid trains."""
_NAMED: Mapping[str, Mapping[str, Any]] = {
    "baseline": {},
    "proposed": {"batch_sizes": (4, 8, 16, 32), "learning_rates": (1e-3, 1e-2)},
}


class GridSettings(Settings):
    """The points of a grid, and the training that each of them gets (paper, Table 2)."""

    batch_sizes: Annotated[
        tuple[Positive, ...], Field(min_length=1, max_length=100), Option(key="batch_size")
    ] = tuple(2**power for power in range(2, 11))
    """Utterances in a batch."""
    learning_rates: Annotated[
        tuple[Rate, ...], Field(min_length=1, max_length=100), Option(key="lr")
    ] = (1e-3, 5e-3)
    """Learning rates of Adam."""
    hidden: Annotated[
        Widths | Annotated[tuple[Widths, ...], Field(max_length=100)], Option(key="hidden")
    ] = (128, 64, 32)
    """Widths of the blocks [Linear, LayerNorm, ReLU]; or several such lists to select among, where
    an empty one is the linear probe."""
    epochs: Annotated[Positive, Option(key="epochs", alone=True)] = 30
    """Epochs that an MLP is trained."""
    plateau_patience: Annotated[Positive, Option(key="patience")] = 10
    """Epochs without a better dev UAR before the learning rate falls."""
    plateau_factor: Annotated[float, Field(gt=0, lt=1), Option(key="factor")] = 0.1
    """Factor by which the learning rate falls."""
    class_weights: Annotated[bool, Option(alone=True)] = False
    """Let rare classes weigh more in the loss: n / (classes * n of the class)."""
    early_stopping: Annotated[Positive | None, Option(alone=True, unset="never")] = None
    """Epochs without a better dev UAR after which a model stops."""

    @classmethod
    def from_text(cls, text: str | None) -> dict[str, Any]:
        """Read the option's value into settings of a grid.

        A comma separates values as well as keys: what holds no `=` belongs to the key before.

        Raises:
            SettingsError: A key is unknown (the nearest known one is named), or a value no number.
        """
        if text is None:
            return dict(ONE_POINT)
        if text in _NAMED:
            return dict(_NAMED[text])
        values: dict[str, list[str]] = {}
        key = ""
        for piece in text.split(","):
            name, equals, value = piece.partition("=")
            if equals:
                key = name.strip()
                _refuse_unknown(key, text)
                if key in values:
                    raise _wrong(text, f"{key} twice", "Write each key once.")
            elif not key:
                raise _wrong(text, repr(piece), "Begin with a key.")
            values.setdefault(key, []).append(value if equals else piece)
        return {**ONE_POINT, **{_KEYS[key]: _numbers(key, values[key], text) for key in values}}

    def to_text(self) -> str:
        """Write what differs from one point: `batch_size=8,16,lr=0.01`; options of their own out.

        Raises:
            SettingsError: It is a choice among several lists of widths, which no text stands for.
        """
        if self.hidden and isinstance(self.hidden[0], tuple):
            raise _wrong("hidden", "a choice among widths", "Write it in a pipeline file.")
        usual = GridSettings(**ONE_POINT)
        found = []
        for name, info in type(self).model_fields.items():
            option, value = option_of(info), getattr(self, name)
            if option.key and not option.alone and value != getattr(usual, name):
                values = value if isinstance(value, tuple) else (value,)
                found.append(f"{option.key}={','.join(map(str, values))}")
        return ",".join(found)


_KEYS = {
    option_of(info).key: name
    for name, info in GridSettings.model_fields.items()
    if option_of(info).key
}


def _numbers(key: str, texts: list[str], whole: str) -> Any:
    default = GridSettings.model_fields[_KEYS[key]].default
    kind = type(default[0] if isinstance(default, tuple) else default)
    try:
        numbers = tuple(kind(text) for text in texts)
    except ValueError as error:
        raise _wrong(whole, f"{key} = {','.join(texts)}", "Write numbers.") from error
    if isinstance(default, tuple):
        return numbers
    if len(numbers) > 1:
        raise _wrong(whole, f"{len(numbers)} values of {key}", f"Write one value of {key}.")
    return numbers[0]


def _refuse_unknown(key: str, whole: str) -> None:
    if key not in _KEYS:
        near = difflib.get_close_matches(key[:100], _KEYS, n=1, cutoff=0.0)
        got = f"unknown key {key!r} (nearest known key: {near[0]!r})"
        raise _wrong(whole, got, f"Use {', '.join(_KEYS)}.")


def _wrong(text: str, got: str, remedy: str) -> SettingsError:
    return SettingsError(
        f"--grid {shortened(text, 200)}",
        expected="baseline, proposed, or such as batch_size=8,32,lr=1e-3",
        got=shortened(got),
        remedy=remedy,
    )
