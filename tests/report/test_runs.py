import json

import pandas as pd
import pytest

from tokser.report.results import read_inputs
from tokser.report.runs import summarise, teachers_of


def read(folders, *paths):
    return read_inputs([folders.results()], paths).runs


def change(path, **columns):
    table = pd.read_csv(path / "metrics.csv")
    table.assign(**columns).to_csv(path / "metrics.csv", index=False)


def test_metrics_are_those_of_the_epoch_with_the_best_match_rate(folders):
    path = folders.run()
    change(path, dev_match_rate=[0.01, 0.2, 0.5, *[0.3] * 8], dev_mrr=[i / 10 for i in range(11)])
    summary = summarise("demo", read(folders, path)[0])
    assert summary.best_epoch == 2
    assert summary.at_best["dev_mrr"] == pytest.approx(0.2)
    assert summary.untrained == pytest.approx(0.01)
    assert summary.num_epochs == 10


def test_a_run_that_was_not_validated_has_losses_only(folders):
    path = folders.run()
    table = pd.read_csv(path / "metrics.csv")[["epoch", "train_loss"]]
    table.dropna().to_csv(path / "metrics.csv", index=False)
    summary = summarise("demo", read(folders, path)[0])
    assert summary.best_epoch is None
    assert summary.at_best == {}
    assert summary.untrained is None
    assert summary.first_loss > summary.last_loss


def test_a_teacher_that_was_found_by_itself_is_read_from_provenance(folders):
    path = folders.run("wide")
    (path / "settings.json").write_text(json.dumps({"text": None}))
    provenance = {"stage": "pretrain", "inputs": {"text": "bert-base-multilingual-cased/x"}}
    (path / "provenance.json").write_text(json.dumps(provenance))
    assert teachers_of(read(folders, path)) == {"wide": "bert-base-multilingual-cased/x"}
