import threading

import pytest
import torch

from tokser.device import (
    keep_to_one_thread,
    one_thread,
    resolve_device,
    suited_batch_seconds,
)
from tokser.errors import SettingsError


def test_auto_names_a_device_that_works():
    device = resolve_device("auto")
    assert float(torch.ones(2, device=device).sum()) == 2


def test_a_device_that_is_not_there_lists_those_that_are():
    with pytest.raises(SettingsError, match=r"expected auto, cpu.*got cuda:99"):
        resolve_device("cuda:99")


def test_one_thread_is_undone_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), one_thread():
        assert torch.get_num_threads() == 1
        _ = 1 / 0
    assert torch.get_num_threads() == before


def test_one_threads_limit_leaves_others_alone():
    here, there = torch.get_num_threads(), []

    def reads_ahead():
        keep_to_one_thread()
        there.append(torch.get_num_threads())

    thread = threading.Thread(target=reads_ahead)
    thread.start()
    thread.join()
    assert there == [1]
    assert torch.get_num_threads() == here


def test_a_gpu_is_given_more_audio_at_once():
    cpu, gpu = (suited_batch_seconds(torch.device(name)) for name in ("cpu", "cuda"))
    assert 0 < cpu < gpu
