"""Batches for encoders that compute every waveform by itself."""

from collections.abc import Sequence

__all__ = ["few_at_once"]


def few_at_once(num_samples: Sequence[int], most: float) -> list[list[int]]:
    """Group waveforms, by position and in their order, into batches of at most so many samples.

    A waveform that is longer is a batch of its own.

    Args:
        num_samples: Of each waveform.
        most: Samples of a batch.
    """
    groups: list[list[int]] = []
    filled = 0
    for position, samples in enumerate(num_samples):
        if not groups or filled + samples > most:
            groups.append([])
            filled = 0
        groups[-1].append(position)
        filled += samples
    return groups
