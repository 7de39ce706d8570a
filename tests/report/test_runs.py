import json

import pandas as pd
import pytest

from tokser.report.inputs import read_inputs
from tokser.report.runs import runs_table, summarise, summarise_all, teachers_of


def read(folders, *paths):
    return read_inputs([folders.results()], paths).runs


def change(path, **columns):
    table = pd.read_csv(path / "metrics.csv")
    table.assign(**columns).to_csv(path / "metrics.csv", index=False)


def test_metrics_are_those_of_the_best_epoch(folders):
    path = folders.run()
    change(path, dev_match_rate=[0.01, 0.2, 0.5, *[0.3] * 8], dev_mrr=[i / 10 for i in range(11)])
    summary = summarise("demo", read(folders, path)[0])
    assert summary.best_epoch == 2
    assert summary.at_best["dev_mrr"] == pytest.approx(0.2)
    assert summary.untrained == pytest.approx(0.01)
    assert summary.num_epochs == 10


def test_a_run_without_validation_has_losses_only(folders):
    path = folders.run()
    table = pd.read_csv(path / "metrics.csv")[["epoch", "train_loss"]]
    table.dropna().to_csv(path / "metrics.csv", index=False)
    summary = summarise("demo", read(folders, path)[0])
    assert summary.best_epoch is None
    assert summary.at_best == {}
    assert summary.untrained is None
    assert summary.first_loss > summary.last_loss


def test_a_default_teacher_is_read_from_provenance(folders):
    path = folders.run("wide")
    (path / "settings.json").write_text(json.dumps({"text": None}))
    provenance = {"stage": "pretrain", "inputs": {"text": "bert-base-multilingual-cased/x"}}
    (path / "provenance.json").write_text(json.dumps(provenance))
    assert teachers_of(read(folders, path)) == {"wide": "bert-base-multilingual-cased/x"}


def test_of_equal_epochs_the_kept_one_is_named(folders):
    path = folders.run()
    change(path, dev_match_rate=[0.3, 0.3, *[0.3] * 9], dev_mrr=[i / 10 for i in range(11)])
    summary = summarise("demo", read(folders, path)[0])
    assert summary.best_epoch == 1
    assert summary.at_best["dev_mrr"] == pytest.approx(0.1)
    assert summary.untrained == pytest.approx(0.3)


def test_rates_that_differ_in_the_last_digit_are_no_tie(folders):
    path = folders.run()
    low = 0.1 + 0.2  # 0.30000000000000004
    change(path, dev_match_rate=[0.1, 0.3, low, *[0.2] * 8])
    assert summarise("demo", read(folders, path)[0]).best_epoch == 2


@pytest.mark.parametrize(("speakers", "units"), [(0, "200 utterances"), (8, "8 speakers")])
def test_intervals_are_those_of_the_best_epoch(folders, speakers, units):
    path = folders.run()
    rates = [0.01, 0.2, 0.5, *[0.3] * 8]
    ends = {"dev_match_rate_low": [r - 0.1 for r in rates], "dev_match_rate_high": 0.75}
    change(path, dev_match_rate=rates, **ends, dev_num_utterances=200, dev_num_speakers=speakers)
    summary = summarise("demo", read(folders, path)[0])
    assert summary.intervals == {"dev_match_rate": pytest.approx((0.4, 0.75))}
    assert summary.interval_units == units


def test_a_run_without_intervals_shows_none(folders):
    summary = summarise("demo", read(folders, folders.run())[0])
    assert (summary.intervals, summary.interval_units) == ({}, "")


def test_the_table_has_a_column_for_each_run(folders):
    runs = read(folders, folders.run("a/demo"), folders.run("b/demo"))
    table = runs_table(summarise_all(runs))
    assert table.headings == ("Run", *(str(run.folder) for run in runs))
    cells = {row[0]: row[1] for row in table.rows}
    assert cells["Speech S"] == "whisper-base/layer-6"
    assert cells["Best epoch"] == "10 of 10"
    assert str(cells["Chance"]) == "0.018"
    assert str(cells["Match rate, untrained attention"]) == "0.2"
