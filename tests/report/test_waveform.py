import re

import numpy as np
import pytest

from tokser.report.waveform import HEIGHT, WIDTH, waveform_path


@pytest.mark.parametrize("num_samples", [1, 299, 16_000])
def test_the_outline_fills_its_picture(num_samples):
    samples = np.sin(np.arange(num_samples) + 1).astype(np.float32)
    numbers = [int(n) for n in re.findall(r"-?\d+", waveform_path(samples))]
    assert min(numbers) >= 0
    assert max(numbers[::2]) <= WIDTH and max(numbers[1::2]) <= HEIGHT
    assert min(numbers[1::2]) == 0 or max(numbers[1::2]) == HEIGHT


def test_silence_is_a_line():
    path = waveform_path(np.zeros(8_000, dtype=np.float32))
    assert set(re.findall(r" (\d+)", path)) == {str(HEIGHT // 2)}
