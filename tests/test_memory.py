import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tokser.memory import release_freed_memory


def anonymous_kb() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc and glibc")
def test_freed_memory_between_kept_blocks_is_released():
    blocks = [np.ones(64 * 1024, dtype=np.uint8) for _ in range(2_000)]
    kept = blocks[::20]
    del blocks
    before = anonymous_kb()
    release_freed_memory()
    assert anonymous_kb() < before - 64 * 1_000
    assert all(block.all() for block in kept)


FAULTS = """
import resource
import numpy as np
from tokser.memory import keep_freed_on_workers
if {keeps}:
    keep_freed_on_workers()
np.ones(2**17)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    np.ones(2**17)  # 1 MiB, too small for a huge page
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc")
@pytest.mark.parametrize(("threshold", "keeps"), [("65536", True), ("65536", False), ("1", True)])
def test_a_dask_worker_keeps_freed_pages_unless_set_otherwise(threshold, keeps):
    environment = os.environ | {"MALLOC_TRIM_THRESHOLD_": threshold}
    command = [sys.executable, "-c", FAULTS.format(keeps=keeps)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    num_pages = 2**20 // os.sysconf("SC_PAGE_SIZE")
    assert (int(done.stdout) < 10 * num_pages) == (threshold == "65536" and keeps)
