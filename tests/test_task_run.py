import time
from contextlib import contextmanager

import pytest

from tokser.task_run import TaskRun


@contextmanager
def cluster(num_workers, num_threads):
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=num_workers,
            threads_per_worker=num_threads,
            processes=False,
            dashboard_address=None,
            memory_limit=0,
        ) as started,
        Client(started, set_as_default=False) as client,
    ):
        yield started, client


def run(client, task, items, *, whole_workers=False):
    return TaskRun(client, task, iter(items), retries=0, whole_workers=whole_workers)


# Tasks are written within functions: Dask then sends their code, since workers import no tests.


def when_task():
    def when(seconds):
        from tokser.scheduling import this_worker

        begin = time.perf_counter()
        time.sleep(seconds)
        return this_worker()[0], begin, time.perf_counter()

    return when


def most_at_once(spans):
    """Count how many spans of time hold the begin of one of them."""
    return max(sum(begin <= at < end for begin, end in spans) for at, _ in spans)


def test_a_whole_worker_gets_one_item_at_a_time():
    with cluster(2, 4) as (_, client):
        found = list(run(client, when_task(), [0.05] * 8, whole_workers=True).results())
    of_worker = {}
    for _, (worker, begin, end) in found:
        of_worker.setdefault(worker, []).append((begin, end))
    assert len(found) == 8
    assert len(of_worker) == 2
    assert [most_at_once(spans) for spans in of_worker.values()] == [1, 1]


def test_every_thread_of_a_worker_gets_an_item(tmp_path):
    num_threads = 3

    def meet(number):
        (tmp_path / str(number)).touch()
        deadline = time.monotonic() + 60
        while len(list(tmp_path.iterdir())) < num_threads:
            if time.monotonic() > deadline:
                raise TimeoutError("the other threads have no item")
            time.sleep(0.01)
        return number

    with cluster(1, num_threads) as (_, client):
        found = dict(run(client, meet, range(num_threads)).results())
    assert found == {0: 0, 1: 1, 2: 2}


@pytest.mark.parametrize("num_items", [4, 8, 20])
def test_no_item_waits_behind_a_long_one(tmp_path, num_items):
    released = tmp_path / "released"

    def wait_for_the_others(number):
        deadline = time.monotonic() + 60
        while number == 0 and not released.exists():
            if time.monotonic() > deadline:
                raise TimeoutError("an item waits behind this one")
            time.sleep(0.01)
        return number

    done = []
    with cluster(2, 1) as (_, client):
        for item, _ in run(client, wait_for_the_others, range(num_items)).results():
            done.append(item)
            if len(done) == num_items - 1:
                released.touch()
    assert done[-1] == 0
    assert sorted(done) == list(range(num_items))


def test_items_are_given_out_in_their_order():
    with cluster(1, 1) as (_, client):
        found = list(run(client, when_task(), [0.03, 0.02, 0.01, 0.0]).results())
    assert [item for item, _ in found] == [0.03, 0.02, 0.01, 0.0]


def test_no_more_items_are_taken_than_there_is_room_for():
    taken = []

    def items():
        for number in range(10):
            taken.append(number)
            yield number

    with cluster(2, 1) as (_, client):
        results = run(client, abs, items()).results()
        next(results)
        # Two were sent, one more for each that is done, and one is ready to be sent.
        assert len(taken) <= 5
        assert len(list(results)) == 9


def test_a_worker_that_joins_gets_items():
    with cluster(0, 1) as (started, client):
        assert list(run(client, abs, []).results()) == []
        started.scale(1)
        assert dict(run(client, abs, [-1, -2]).results()) == {-1: 1, -2: 2}
