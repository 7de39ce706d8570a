import gc
import os
import signal
import subprocess
import sys

import pytest

from tokser.cli.process import own_process
from tokser.memory import FEW_KERNELS
from tokser.progress import LOGGER, has_bars


def test_few_kernels_are_kept_unless_the_user_says_otherwise(monkeypatch):
    monkeypatch.setenv("LRU_CACHE_CAPACITY", "1024")
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    with own_process():
        assert os.environ["LRU_CACHE_CAPACITY"] == "1024"
        for name in FEW_KERNELS.keys() - {"LRU_CACHE_CAPACITY"}:
            assert os.environ[name] == FEW_KERNELS[name]


def test_the_process_is_left_as_it_was_also_after_an_error():
    before = state()
    with pytest.raises(ZeroDivisionError), own_process():
        _ = 1 / 0
    assert state() == before


def state():
    mine = dict(os.environ), signal.getsignal(signal.SIGTERM), gc.get_threshold()
    return *mine, LOGGER.level, LOGGER.handlers


def test_a_command_collects_garbage_less_often_and_not_at_its_end():
    code = (
        "import atexit, gc, sys\n"
        "atexit.register(lambda: print(gc.get_freeze_count() > 0))\n"
        "from tokser.cli.process import own_process\n"
        "with own_process(): print(gc.get_threshold()[0] > 700)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


def test_bars_need_a_terminal():
    with own_process():
        assert not has_bars()
