"""oneDNN keeps few of the kernels that it compiles."""

import os
import subprocess
import sys

import pytest

from tokser import onednn

GROWTH = """
import sys, torch
from contextlib import nullcontext
from pathlib import Path
from tokser import onednn
def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))
torch.set_num_threads(1)
weight = torch.ones(256, 256)
with onednn.few_kernels_kept() if sys.argv[1] == "few" else nullcontext():
    onednn.LINEAR(torch.ones(500, 256), weight, None, "none", [], "")
    before = anonymous()
    for rows in range(100, 400):
        onednn.LINEAR(torch.ones(rows, 256), weight, None, "none", [], "")
    print(anonymous() - before)
"""


@pytest.mark.skipif(onednn.LINEAR is None, reason="torch brings no oneDNN here")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_memory_does_not_follow_the_number_of_shapes():
    def growth(which):
        command = [sys.executable, "-c", GROWTH, which]
        return int(subprocess.check_output(command, text=True))

    assert growth("few") < 0.5 * growth("all")


def test_what_the_user_set_stays_and_what_was_set_goes(monkeypatch):
    monkeypatch.delenv("LRU_CACHE_CAPACITY", raising=False)
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "7")
    with pytest.raises(ZeroDivisionError), onednn.few_kernels_kept():
        assert os.environ["LRU_CACHE_CAPACITY"] == "64"
        assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "7"
        raise ZeroDivisionError
    assert "LRU_CACHE_CAPACITY" not in os.environ
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "7"
