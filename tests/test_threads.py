import os
import subprocess
import sys
import threading

import joblib
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

import tokser
from tokser import threads
from tokser.device import keep_to_one_thread, one_thread
from tokser.errors import SettingsError
from tokser.threads import num_threads, use_threads


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    monkeypatch.delenv("TOKSER_THREADS", raising=False)
    monkeypatch.delenv("LOKY_MAX_CPU_COUNT", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(64)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def five_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(5)))
    monkeypatch.setattr(threads, "_QUOTAS", ())


@pytest.mark.parametrize("text", ["max 100000\n", "-1\n", "", None])
def test_affinity_counts_where_there_is_no_quota(monkeypatch, tmp_path, five_cores, text):
    file = tmp_path / "quota"
    if text is not None:
        file.write_text(text)
    monkeypatch.setattr(threads, "_QUOTAS", (str(file),))
    monkeypatch.setattr(joblib, "cpu_count", lambda: 3)
    assert num_threads() == (3 if text == "" else 5)


@pytest.mark.parametrize("text", ["150000 100000\n", "150000\n"])
def test_joblib_is_asked_about_a_quota(monkeypatch, tmp_path, five_cores, text):
    file = tmp_path / "quota"
    file.write_text(text)
    monkeypatch.setattr(threads, "_QUOTAS", (str(tmp_path / "none"), str(file)))
    monkeypatch.setattr(joblib, "cpu_count", lambda: 2)
    assert num_threads() == 2


def test_joblibs_own_variable_counts(monkeypatch, five_cores):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")
    assert num_threads() == 2


def test_a_system_without_affinity_is_joblibs(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(joblib, "cpu_count", lambda: 5)
    assert num_threads() == 5


def test_it_is_joblibs_count_here():
    assert num_threads() == joblib.cpu_count()


def test_affinity_counts_in_a_new_process():
    core = min(os.sched_getaffinity(0))
    script = (
        f"import os; os.sched_setaffinity(0, [{core}])\n"
        "from tokser.threads import num_threads; print(num_threads())"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "1\n"


def test_the_calling_program_may_have_set_fewer(five_cores):
    torch.set_num_threads(3)
    assert num_threads() == 3


@pytest.mark.parametrize(("text", "number"), [("4,2", 4), ("9", 5), ("", 5), ("all", 5)])
def test_openmp_counts_before_torch_is_loaded(monkeypatch, five_cores, text, number):
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert num_threads() == number


def test_the_variable_comes_before_the_system(monkeypatch):
    monkeypatch.setenv("TOKSER_THREADS", " 7 ")
    assert num_threads() == 7


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5"])
def test_a_variable_that_is_no_number_is_refused(monkeypatch, text):
    monkeypatch.setenv("TOKSER_THREADS", text)
    with pytest.raises(SettingsError, match="TOKSER_THREADS: expected a number of threads"):
        num_threads()


def test_a_block_comes_first_and_is_undone_after_an_error(monkeypatch):
    monkeypatch.setenv("TOKSER_THREADS", "7")
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    with pytest.raises(ZeroDivisionError), tokser.use_threads(2):
        assert (num_threads(), torch.get_num_threads()) == (2, 2)
        assert os.environ["OMP_NUM_THREADS"] == "2"
        _ = 1 / 0
    assert (num_threads(), torch.get_num_threads()) == (7, 64)
    assert os.environ["OMP_NUM_THREADS"] == "5"


def test_blas_has_that_number_within_a_block():
    def blas():
        return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}

    with threadpool_limits(2):
        with use_threads(1):
            assert blas() == {1}
        assert blas() == {2}


def test_no_threads_at_all_are_refused():
    with pytest.raises(SettingsError, match="1 or more, got 0"), use_threads(0):
        pass


def test_threads_of_a_pool_start_no_further_ones(monkeypatch):
    monkeypatch.setenv("TOKSER_THREADS", "7")
    found = []

    def work():
        keep_to_one_thread()
        found.append(num_threads())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [1]
    with one_thread():
        assert num_threads() == 1
    assert num_threads() == 7
