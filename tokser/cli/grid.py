"""The option --grid: the report's grids by name, or any other as key=values."""

import difflib
from typing import Any

from tokser.errors import SettingsError, shortened

__all__ = ["GRID_HELP", "parse_grid"]

_ONE_POINT = {"batch_sizes": (32,), "learning_rates": (1e-3,)}
_NAMED: dict[str, dict[str, Any]] = {
    "baseline": {},
    "proposed": {"batch_sizes": (4, 8, 16, 32), "learning_rates": (1e-3, 1e-2)},
}
_KEYS = {
    "batch_size": ("batch_sizes", int),
    "lr": ("learning_rates", float),
    "hidden": ("hidden", int),
    "epochs": ("epochs", int),
    "patience": ("plateau_patience", int),
    "factor": ("plateau_factor", float),
}
_SEVERAL = ("batch_size", "lr", "hidden")
GRID_HELP = (
    "Search the report's grid (Table 2): baseline has batch 4..1024 x lr 1e-3, 5e-3; proposed has "
    "batch 4..32 x lr 1e-3, 1e-2. Or any other: batch_size=8,32,lr=1e-3,1e-2; also hidden=128,64 "
    "(widths), epochs, patience and factor (of the plateau).  "
    "[default: one point, batch_size=32,lr=1e-3]"
)


def parse_grid(text: str | None) -> dict[str, Any]:
    """Read the option's value into settings of a grid.

    A comma parts values as well as keys: what holds no `=` belongs to the key before.

    Raises:
        SettingsError: A key is unknown (the nearest known one is named), or a value no number.
    """
    if text is None:
        return dict(_ONE_POINT)
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
    found = {_KEYS[name][0]: _numbers(name, texts, text) for name, texts in values.items()}
    return _ONE_POINT | found


def _numbers(key: str, texts: list[str], whole: str) -> Any:
    try:
        numbers = tuple(_KEYS[key][1](text) for text in texts)
    except ValueError as error:
        raise _wrong(whole, f"{key} = {','.join(texts)}", "Write numbers.") from error
    if key in _SEVERAL:
        return numbers
    if len(numbers) > 1:
        raise _wrong(whole, f"{len(numbers)} values of {key}", f"Write one value of {key}.")
    return numbers[0]


def _refuse_unknown(key: str, whole: str) -> None:
    if key not in _KEYS:
        near = difflib.get_close_matches(key[:100], _KEYS, n=1, cutoff=0.0)
        told = f"unknown key {key!r} (nearest known key: {near[0]!r})"
        raise _wrong(whole, told, f"Use {', '.join(_KEYS)}.")


def _wrong(text: str, got: str, remedy: str) -> SettingsError:
    return SettingsError(
        f"--grid {shortened(text, 200)}",
        expected="baseline, proposed, or such as batch_size=8,32,lr=1e-3",
        got=shortened(got),
        remedy=remedy,
    )
