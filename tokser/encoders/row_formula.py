"""How many rows a waveform has, learnt by counting those of a few short ones."""

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["RowFormula", "learn_row_formula"]

_NUM_CHECKED = 3
"""Steps far from the first ones at which the formula is compared with counts, on both sides."""


@dataclass(frozen=True)
class RowFormula:
    """Rows of a waveform: (num_samples + offset) // shift, and none below `min_samples`.

    Any stack of unpadded or padded convolutions, and any analysis by windows, has this form: the
    floor of a floor of a quotient is that of one quotient.

    Attributes:
        shift: Samples from one row to the next.
        offset: Samples added before the division; negative where a row needs more than `shift`.
        min_samples: Shortest waveform that has a row.
    """

    shift: int
    offset: int
    min_samples: int

    def __call__(self, num_samples: int) -> int:
        """Return the rows of a waveform of `num_samples` samples."""
        if num_samples < self.min_samples:
            return 0
        return max(0, (num_samples + self.offset) // self.shift)

    def shortest(self, num_rows: int) -> int:
        """Return the length of the shortest waveform that has `num_rows` rows, in samples."""
        return max(self.min_samples, num_rows * self.shift - self.offset)


def learn_row_formula(count: Callable[[int], int], longest: int) -> RowFormula | None:
    """Learn how many rows waveforms have.

    The lengths at which the count rises are found by bisection; the formula that the first two
    rises give is compared with counts at rises far from them, and one sample before each.

    Args:
        count: Counts the rows of a waveform of some length; 0 if it is too short.
        longest: Longest waveform to count, in samples; it has a row.

    Returns:
        The formula; None if counts do not follow one.
    """
    known: dict[int, int] = {}

    def rows(num_samples: int) -> int:
        if num_samples not in known:
            known[num_samples] = count(num_samples)
        return known[num_samples]

    def first_with(num_rows: int, low: int) -> int:
        """Return the first length above `low` with at least `num_rows` rows."""
        step, high = 256, low
        while rows(high) < num_rows and high < longest:
            low, high, step = high, min(longest, high + step), step * 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if rows(middle) >= num_rows else (middle, high)
        return high

    if rows(longest) < 1:
        return None
    shortest = first_with(1, 0)
    fewest = rows(shortest)
    if rows(longest) < fewest + 2:
        return None
    first = first_with(fewest + 1, shortest)
    second = first_with(fewest + 2, first)
    if (rows(first), rows(second)) != (fewest + 1, fewest + 2):
        return None
    shift = second - first
    formula = RowFormula(shift, rows(first) * shift - first, shortest)
    last = formula(longest)
    checked = {
        fewest + 2 + (last - fewest - 2) * n // _NUM_CHECKED for n in range(_NUM_CHECKED + 1)
    }
    lengths = {shortest, longest} | {
        length
        for number in checked
        for length in (formula.shortest(number), formula.shortest(number) - 1)
        if shortest <= length <= longest
    }
    return formula if all(rows(length) == formula(length) for length in lengths) else None
