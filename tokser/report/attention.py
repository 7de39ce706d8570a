"""The attention map of an utterance: tokens down, seconds across."""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tokser.plain_text import plain
from tokser.provenance import write_atomically

__all__ = ["draw_attention"]

_MOST_LABELS = 80
"""Tokens beyond which their names would run into each other."""


def draw_attention(
    weights: NDArray[np.floating],
    *,
    tokens: Sequence[str],
    duration_s: float,
    title: str,
    out: Path,
) -> None:
    """Draw which frames each token attends to.

    Args:
        weights: [tokens, frames]; rows sum to 1.
        tokens: What each row's token is.
        duration_s: Length of the recording, in seconds.
        title: Shown above.
        out: File; its ending decides the format.

    Source: paper, section 4.3, Figure 4.
    """
    height = 1.6 + 0.19 * min(len(tokens), _MOST_LABELS)
    style: Any = {"svg.hashsalt": "tokser", "font.size": 9, "text.parse_math": False}
    with rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a box stands in its place
        figure = Figure(figsize=(8, height), layout="constrained")
        axes = figure.subplots()
        image = axes.imshow(
            weights,
            aspect="auto",
            interpolation="nearest",
            cmap="viridis",
            extent=(0, duration_s, len(tokens) - 0.5, -0.5),
            vmin=0,
        )
        step = -(-len(tokens) // _MOST_LABELS)
        places = range(0, len(tokens), step)
        axes.set_yticks(list(places), [plain(tokens[place]) for place in places])
        axes.set_xlabel("Time [s]")
        axes.set_ylabel("Token")
        axes.set_title(plain(title), fontsize=10)
        figure.colorbar(image, ax=axes, label="Attention weight")
        buffer = io.BytesIO()
        kind = out.suffix.lower().lstrip(".")
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[kind]
        figure.savefig(buffer, format=kind, dpi=150, metadata=metadata)
    write_atomically(out, buffer.getvalue())
