"""The page's colours by day and by night, and the contrast between any two."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from matplotlib.colors import get_named_colors_mapping

__all__ = ["DARK", "LIGHT", "contrast", "named"]

LIGHT = {
    "paper": "#ffffff",
    "panel": "#f5f6f8",
    "ink": "#1a1d21",
    "muted": "#59616b",
    "rule": "#d9dde2",
    "warn": "#9a3b00",
    "warn-paper": "#fff4ec",
    "heat": "#0072b2",
    "c1": "#0072b2",
    "c2": "#c75300",
    "c3": "#00805f",
    "c4": "#b0508a",
    "c5": "#9a6a00",
    "c6": "#2b82b5",
}
DARK = {
    "paper": "#14171a",
    "panel": "#1c2024",
    "ink": "#e7eaed",
    "muted": "#a2abb5",
    "rule": "#363d45",
    "warn": "#ffb283",
    "warn-paper": "#2c211a",
    "heat": "#409cd8",
    "c1": "#56b4e9",
    "c2": "#f5904a",
    "c3": "#2fc79a",
    "c4": "#e09cc4",
    "c5": "#f0c04a",
    "c6": "#a9d8f5",
}


def contrast(one: str, other: str) -> float:
    """Return how far two colours, `#rrggbb`, lie apart: 1 (the same) to 21 (black and white).

    Source: Web Content Accessibility Guidelines 2.1, contrast ratio; text wants 4.5, lines 3.
    """
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@contextmanager
def named(colours: Mapping[str, str]) -> Iterator[None]:
    """Let matplotlib know colours by name while the block runs."""
    known = get_named_colors_mapping()
    known.update(colours)
    try:
        yield
    finally:
        for name in colours:
            del known[name]


def _luminance(colour: str) -> float:
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in shares]
    return sum(w * x for w, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
