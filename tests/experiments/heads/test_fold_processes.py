"""Folds that another process fits are those that are fitted here, whatever happens to it."""

import os
import signal
import sys
import threading

import numpy as np
import pandas as pd
import pytest

import tokser
from tokser.config import GridSettings
from tokser.experiments.classification import Classification
from tokser.experiments.heads import fold_processes as processes_
from tokser.experiments.heads.fold_processes import SIDE_BY_SIDE, Beside, fold_processes
from tokser.experiments.heads.registry import HEADS
from tokser.experiments.search import search
from tokser.experiments.splits.protocols import make_splits
from tokser.experiments.training_data import TrainingData


class Corpus:
    """Four speakers, two classes that overlap."""

    def __init__(self):
        rng = np.random.default_rng(0)
        ids = pd.Index([f"utt{i:02d}" for i in range(60)], name="id")
        self.labels = pd.Series(rng.choice(["anger", "joy"], 60), index=ids)
        values = rng.normal(size=(60, 9)) + (self.labels == "joy").to_numpy()[:, None]
        self.functionals = pd.DataFrame(values.astype(np.float32), index=ids)
        table = pd.DataFrame({"label": self.labels, "session": ""})
        speakers = [f"s{i % 4}" for i in range(60)]
        self.splits = make_splits("speaker", table.assign(speaker=speakers), seed=0)

    def search(self, head, functionals=None, **options):
        values = self.functionals if functionals is None else functionals
        grid = GridSettings(batch_sizes=(4,), learning_rates=(1e-3,))
        data = TrainingData(Classification(), values, self.labels, self.splits, grid, 0)
        return search(HEADS[head], data, **options)


@pytest.fixture(scope="module")
def corpus():
    return Corpus()


@pytest.fixture
def two_threads():
    with tokser.use_threads(2):
        yield


def assert_alike(found, expected):
    pd.testing.assert_frame_equal(found.predictions, expected.predictions)
    pd.testing.assert_frame_equal(found.trials, expected.trials)


@pytest.mark.parametrize("head", sorted(SIDE_BY_SIDE - {"ridge"}))
def test_no_bit_depends_on_the_process(corpus, two_threads, head):
    expected, counts = corpus.search(head, predicts_dev=True), []
    with Beside(1) as beside:
        for _ in range(2):
            found = corpus.search(
                head, processes=beside, predicts_dev=True, on_models=counts.append
            )
            assert_alike(found, expected)
            pd.testing.assert_frame_equal(found.dev, expected.dev)
    assert sum(counts) == 2 * len(corpus.splits) * (2 if head == "logreg" else 5)


def test_each_process_fits_folds(corpus, two_threads, monkeypatch):
    both, number = threading.Barrier(2, timeout=60), iter(range(100))

    def meet_once(fit):
        def outer(self, fold, on_models):
            if next(number) == 0:
                both.wait()
            return fit(self, fold, on_models)

        return outer

    monkeypatch.setattr(processes_._Process, "fit", meet_once(processes_._Process.fit))
    with Beside(1) as beside:
        running = threading.Thread(
            target=corpus.search, args=("logreg",), kwargs={"processes": beside}
        )
        running.start()
        both.wait()  # broken after a minute if no fold reaches the process
        running.join()


def test_a_process_that_has_ended_is_not_asked(corpus, two_threads):
    with Beside(1) as beside:
        (process,) = beside._processes
        process._process.kill()
        process._process.join()
        assert_alike(corpus.search("logreg", processes=beside), corpus.search("logreg"))
        assert beside.number == 0


@pytest.mark.parametrize("moment", ["send", "fit"])
def test_a_process_that_ends_is_done_without(corpus, two_threads, monkeypatch, capsys, moment):
    whole = getattr(processes_._Process, moment)

    def killed(self, *arguments):
        self._process.kill()
        self._process.join()
        return whole(self, *arguments)

    expected = corpus.search("logreg")
    monkeypatch.setattr(processes_._Process, moment, killed)
    with Beside(1) as beside:
        assert_alike(corpus.search("logreg", processes=beside), expected)
        assert beside.number == 0
    assert "a process that fits folds has ended" in capsys.readouterr().err


def test_errors_are_those_of_this_process(corpus, two_threads):
    values = corpus.functionals.copy()
    values.iloc[3] = np.nan
    with Beside(1) as beside, pytest.raises(ValueError, match="finite values are needed"):
        corpus.search("logreg", functionals=values, processes=beside)


def test_ctrl_c_is_for_who_started_it(corpus, two_threads):
    with Beside(1) as beside:
        corpus.search("logreg", processes=beside)  # it has started
        os.kill(beside._processes[0]._process.pid, signal.SIGINT)
        corpus.search("logreg", processes=beside)
        assert beside.number == 1


def test_no_process_is_left():
    with Beside(2) as beside:
        assert beside.number == 2
    assert not any(process._process.is_alive() for process in beside._processes)


def test_large_tables_are_not_copied(corpus, two_threads, monkeypatch):
    monkeypatch.setattr(processes_, "_LARGEST", 8)
    with Beside(1) as beside:
        monkeypatch.setattr(processes_._Process, "fit", None)
        assert_alike(corpus.search("logreg", processes=beside), corpus.search("logreg"))


def test_processes_start_where_folds_are_fitted_side_by_side(two_threads, monkeypatch):
    monkeypatch.setattr(processes_, "_may_fork", lambda: True)
    named = {name for name in HEADS if getattr(HEADS[name], "fits_side_by_side", False)}
    assert named == SIDE_BY_SIDE
    for heads in (["mlp", "logreg"], {"own": HEADS["svm"]}):
        with fold_processes(heads, 8, 500) as beside:
            assert beside.number == 1
    for heads, units in ((["mlp"], 9), ({"own": HEADS["mlp"]}, 9), (["logreg"], 7)):
        assert fold_processes(heads, units, 500).number == 0


def test_nothing_is_forked_beside_threads_or_torch(two_threads, monkeypatch):
    assert fold_processes(["logreg"], 8, 500).number == 0  # torch is there
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    with fold_processes(["logreg"], 8, 500) as beside:
        assert beside.number == int(sys.platform.startswith("linux"))
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    assert fold_processes(["logreg"], 8, 500).number == 0


def test_one_thread_needs_none():
    with tokser.use_threads(1), fold_processes(["logreg"], 9, 500) as beside:
        assert beside.number == 0
