import threading
import time

import pytest

from tokser.pretrain.prefetch import AHEAD, Prefetch

PLAN = [["a"], ["b"], ["c"], ["d"], ["e"], ["f"]]


def test_batches_come_in_order_from_another_thread():
    threads = set()

    def read(ids):
        threads.add(threading.current_thread())
        return list(ids)

    assert list(Prefetch(lambda epoch: PLAN, read)) == PLAN
    assert threading.main_thread() not in threads and len(threads) == 1


def test_it_reads_a_few_batches_ahead_and_no_more():
    read = []
    stream = iter(Prefetch(lambda epoch: PLAN, lambda ids: read.append(ids)))
    next(stream)
    deadline = time.monotonic() + 10
    while len(read) < AHEAD + 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)
    assert len(read) == AHEAD + 2  # the one handed out, and those that wait
    stream.close()


def test_a_restored_prefetch_continues_with_the_next_batch():
    stream = Prefetch(lambda epoch: PLAN, list, lambda: 3)
    items = iter(stream)
    assert [next(items), next(items)] == PLAN[:2]
    assert stream.state_dict() == {"epoch": 3, "batches_done": 2}
    items.close()
    other = Prefetch(lambda epoch: PLAN, list, lambda: 3)
    other.load_state_dict(stream.state_dict())
    assert list(other) == PLAN[2:]
    assert list(other) == PLAN  # the next time, from the start


def test_the_state_of_an_epoch_that_is_over_begins_the_next():
    stream = Prefetch(lambda epoch: [[f"{epoch}-{ids[0]}"] for ids in PLAN], list, lambda: 4)
    stream.load_state_dict({"epoch": 3, "batches_done": len(PLAN)})
    assert next(iter(stream)) == ["4-a"]


def test_an_error_of_the_reader_is_raised_in_the_loop():
    def read(ids):
        raise ValueError(ids)

    before = threading.active_count()
    with pytest.raises(ValueError, match="a"):
        next(iter(Prefetch(lambda epoch: PLAN, read)))
    assert threading.active_count() == before
