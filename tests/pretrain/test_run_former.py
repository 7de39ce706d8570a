"""Runs of an earlier version, whose names differ, are read and resumed."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tokser.checksummed_folder import ChecksummedFolder
from tokser.pretrain.checkpoint import load_aligner
from tokser.pretrain.metrics import read_metrics
from tokser.stages.pretrain import pretrain

FORMER = Path(__file__).parent / "former_runs"
"""Runs on the toy store, as version 0.1 wrote them: variants `report` and `listener`."""


def assert_same_weights(one: Path, other: Path) -> None:
    """Gradients are now added up chunk by chunk, which rounds otherwise."""
    found, wanted = (load_file(run / "aligner.safetensors") for run in (one, other))
    assert set(found) == set(wanted)
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-5, err_msg=name)


@pytest.fixture
def former(tmp_path) -> Path:
    shutil.copytree(FORMER / "paper", tmp_path / "paper")
    return tmp_path / "paper"


@pytest.mark.parametrize("variant", ["paper", "report"])
def test_a_finished_run_matches(toy, former, variant, capsys):
    assert pretrain(toy.settings(former, epochs=2, variant=variant)) == former
    assert f"already in {former}" in capsys.readouterr().err


@pytest.mark.slow
def test_a_stopped_run_resumes_with_present_names(toy, former, tmp_path):
    for name in ("provenance.json", "aligner.json"):
        ChecksummedFolder(former).drop(name)
    pretrain(toy.settings(former, epochs=2))
    fresh = pretrain(toy.settings(tmp_path / "fresh" / "paper", epochs=2))
    assert_same_weights(former, fresh)
    ours, theirs = (read_metrics(run / "metrics.csv").iloc[-1] for run in (fresh, former))
    for name in ("train_loss", "dev_mrr"):
        assert ours[name] == pytest.approx(theirs[name], abs=1e-5)
    assert load_aligner(former)[1].variant == "paper"


def test_a_run_has_the_weights_of_the_former_one(toy, tmp_path):
    fresh = pretrain(toy.settings(tmp_path / "paper", epochs=2))
    assert_same_weights(fresh, FORMER / "paper")


@pytest.mark.slow
@pytest.mark.parametrize("option", ["global_queries", "seeds"])
def test_the_listener_has_the_former_ones_weights(toy, tmp_path, option):
    options = {"rank": 2, option: 2, "dropout": 0}
    settings = toy.settings(tmp_path / "listener", epochs=2, variant="listener", options=options)
    assert_same_weights(pretrain(settings), FORMER / "listener")
    aligner, description = load_aligner(FORMER / "listener")
    assert (description.variant, aligner.num_global_queries) == ("listener", 2)


def test_former_columns_of_metrics_get_their_present_names():
    table = read_metrics(FORMER / "paper" / "metrics.csv")
    assert "attention_monotonicity_mismatched" in table
    assert "dev_match_rate_within_mismatched_low" in table
    assert not [name for name in table if "shuffled" in name or "diagonality" in name]
