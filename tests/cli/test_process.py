import os
import signal

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
    before = dict(os.environ), signal.getsignal(signal.SIGTERM), LOGGER.level, LOGGER.handlers
    with pytest.raises(ZeroDivisionError), own_process():
        _ = 1 / 0
    after = dict(os.environ), signal.getsignal(signal.SIGTERM), LOGGER.level, LOGGER.handlers
    assert after == before


def test_bars_need_a_terminal():
    with own_process():
        assert not has_bars()
