import sys
from pathlib import Path

import numpy as np
import pytest

from tokser.memory import give_back_freed


def anonymous_kb() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc and glibc")
def test_holes_between_what_is_kept_go_back_to_the_system():
    blocks = [np.ones(64 * 1024, dtype=np.uint8) for _ in range(2_000)]
    kept = blocks[::20]
    del blocks
    before = anonymous_kb()
    give_back_freed()
    assert anonymous_kb() < before - 64 * 1_000
    assert all(block.all() for block in kept)
