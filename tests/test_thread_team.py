import threading
import time

import pytest
import torch

from tokser.thread_team import has_team, map_in_team, thread_team
from tokser.threads import num_threads, use_threads

CPU = torch.device("cpu")


def test_without_a_team_the_caller_does_everything():
    assert not has_team()
    found = map_in_team(lambda item: (item, threading.current_thread()), [3, 1])
    assert found == [(3, threading.main_thread()), (1, threading.main_thread())]


@pytest.mark.parametrize("number", [1, 3])
def test_results_come_in_order_from_threads_that_are_alone(number):
    def task(item):
        time.sleep(0.01 * (5 - item))
        return item, threading.current_thread(), torch.get_num_threads(), num_threads()

    before = torch.get_num_threads()
    with use_threads(number), thread_team(CPU):
        found = map_in_team(task, range(5))
    assert [item for item, *_ in found] == [*range(5)]
    assert len({thread for _, thread, *_ in found}) == number
    assert {counts for *_, counts, _ in found} == {1} == {found[0][3]}
    assert torch.get_num_threads() == before
    assert not has_team()


def test_a_thread_that_is_late_does_fewer_tasks():
    done = []

    def task(item):
        is_caller = threading.current_thread() is threading.main_thread()
        time.sleep(0.2 if is_caller else 0.001)
        done.append(is_caller)

    with use_threads(2), thread_team(CPU):
        map_in_team(task, range(30))
    assert done.count(True) < done.count(False)


def test_an_error_ends_it_and_is_raised_by_the_caller():
    begun = []

    def task(item):
        begun.append(item)
        if item == 2:
            raise ValueError("two")
        time.sleep(0.01)

    with use_threads(2), thread_team(CPU):
        with pytest.raises(ValueError, match="two"):
            map_in_team(task, range(100))
        assert len(begun) < 10
        assert map_in_team(str, range(3)) == ["0", "1", "2"]


def test_helpers_compute_in_the_modes_of_the_caller():
    def task(item):
        time.sleep(0.01)
        product = torch.ones(2, 2) @ torch.ones(2, 2)
        return product.dtype, product.is_inference(), torch.is_grad_enabled()

    with use_threads(3), thread_team(CPU):
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            assert set(map_in_team(task, range(6))) == {(torch.bfloat16, True, False)}
        with torch.no_grad():
            assert set(map_in_team(task, range(6))) == {(torch.float32, False, False)}
        assert set(map_in_team(task, range(6))) == {(torch.float32, False, True)}


def test_a_gpu_has_no_team_and_a_team_has_no_other_within():
    with thread_team(torch.device("meta")):
        assert not has_team()
    with thread_team(CPU):
        with thread_team(CPU):
            assert has_team()
        assert has_team()
