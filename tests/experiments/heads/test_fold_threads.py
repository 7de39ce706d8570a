import threading
import time

import pytest

from tokser.experiments.heads.fold_threads import in_threads, num_blas_threads


def test_results_come_in_order_and_models_are_counted_by_the_caller():
    told, threads = [], set()

    def fit(fold, on_models):
        threads.add(threading.current_thread())
        time.sleep(0.01 * (3 - fold))
        on_models(1)
        on_models(2)
        return fold

    for number in (1, 3):
        threads.clear()
        told.clear()
        found = []
        for fold in in_threads(fit, range(3), number, told.append):
            assert told == [1, 2] * (fold + 1)
            found.append(fold)
        assert found == [0, 1, 2]
        assert (threading.main_thread() in threads) == (number == 1)


def test_an_error_ends_it_and_later_folds_are_not_begun():
    begun = []

    def fit(fold, on_models):
        begun.append(fold)
        if fold == 1:
            raise ValueError("fold 1")
        time.sleep(0.01)
        return fold

    with pytest.raises(ValueError, match="fold 1"):
        list(in_threads(fit, range(50), 2, lambda count: None))
    assert len(begun) < 50


def test_whoever_stops_early_waits_only_for_running_folds():
    begun = []

    def fit(fold, on_models):
        begun.append(fold)
        time.sleep(0.01)
        return fold

    folds = in_threads(fit, range(50), 2, lambda count: None)
    assert next(folds) == 0
    folds.close()
    count = len(begun)
    assert count < 50
    time.sleep(0.05)
    assert len(begun) == count


def test_products_have_a_thread_at_least():
    assert num_blas_threads() >= 1
