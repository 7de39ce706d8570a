"""The outline of a waveform as a small picture."""

import numpy as np
from jaxtyping import Float32

__all__ = ["HEIGHT", "WIDTH", "waveform_path"]

WIDTH, HEIGHT = 300, 48
"""Units of the picture."""


def waveform_path(samples: Float32[np.ndarray, " num_samples"]) -> str:
    """Draw the least and the largest sample of each piece, as a path in WIDTH x HEIGHT.

    The largest sample of all reaches the edge of the picture.

    Args:
        samples: At least one.
    """
    starts = np.unique(np.linspace(0, len(samples), WIDTH, endpoint=False).astype(int))
    lowest, highest = (side.reduceat(samples, starts) for side in (np.minimum, np.maximum))
    scale = HEIGHT / 2 / max(float(np.abs(samples).max()), 1e-6)
    across = np.round(starts * (WIDTH / len(samples))).astype(int)
    above, below = (np.round(HEIGHT / 2 - side * scale).astype(int) for side in (highest, lowest))
    points = [*zip(across, above, strict=True), *zip(across[::-1], below[::-1], strict=True)]
    return "M" + "L".join(f"{x} {y}" for x, y in points) + "z"
