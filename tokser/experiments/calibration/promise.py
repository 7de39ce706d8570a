"""What the sets of a calibration can promise, in words."""

from tokser.config.calibration import Exchangeable
from tokser.experiments.calibration.conformal import most_coverage, num_needed

__all__ = ["promise_of", "shortfall"]


def shortfall(exchangeable: Exchangeable, level: float, num_calibrating: int, unit: str) -> str:
    """Say why a coverage cannot be promised; empty where it can.

    Args:
        exchangeable: What is taken to be.
        level: Coverage.
        num_calibrating: Speakers, or utterances, that the threshold rests on.
        unit: `speaker` or `session`.
    """
    needed = num_needed(level)
    if num_calibrating >= needed:
        return ""
    what = f"{unit}s" if exchangeable == "speakers" else "utterances"
    return (
        f"{num_calibrating} {what} can promise at most {100 * most_coverage(num_calibrating):.1f} "
        f"%; {100 * level:g} % takes {needed}: sets hold every class"
    )


def promise_of(
    exchangeable: Exchangeable, level: float, num_calibrating: int, unit: str, stamp: str
) -> str:
    """Return whom a coverage is promised for, or why it is not."""
    missing = shortfall(exchangeable, level, num_calibrating, unit)
    if missing:
        return f"none: {missing}"
    if stamp:
        return f"none: {stamp}"
    if exchangeable == "speakers":
        return f"an utterance of a new {unit}"
    return f"an utterance of the {unit}s that calibrate"
