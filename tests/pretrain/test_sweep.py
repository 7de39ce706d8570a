import pandas as pd
import pytest

from tokser.config import SweepSettings
from tokser.errors import MissingInputError, SettingsError
from tokser.pretrain import sweep as engine
from tokser.pretrain.sweep import load_sweep, runs_of
from tokser.shipped import shipped_file
from tokser.stages.sweep import sweep

SWEEP = """
name: toy
out: {out}
pretrain: {{store: s.zarr, epochs: 3}}
grid: {{variant: [paper, scaled], learning_rate: [1.0e-3, 1.0e-2]}}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "toy.yaml"
    path.write_text(SWEEP.format(out=tmp_path / "runs"))
    return path


def test_a_run_is_made_for_every_combination_and_named_after_it(file, tmp_path):
    settings = load_sweep(file, {"batch_size": 8})
    runs = list(runs_of(settings, where="toy"))
    assert [(run.variant, run.learning_rate) for run in runs] == [
        ("paper", 1e-3),
        ("paper", 1e-2),
        ("scaled", 1e-3),
        ("scaled", 1e-2),
    ]
    assert {(run.store, run.epochs, run.batch_size) for run in runs} == {("s.zarr", 3, 8)}
    assert runs[1].out == tmp_path / "runs" / "variant=paper,learning_rate=0.01"


def test_a_folder_with_a_variants_former_name_is_that_run(file, tmp_path):
    former = tmp_path / "runs" / "variant=report,learning_rate=0.01"
    former.mkdir(parents=True)
    runs = list(runs_of(load_sweep(file, {}), where="toy"))
    assert (runs[1].variant, runs[1].out) == ("paper", former)
    file.write_text(file.read_text().replace("[paper, scaled]", "[report]"))
    (_, run) = runs_of(load_sweep(file, {}), where="toy")
    assert (run.variant, run.out) == ("paper", former)


@pytest.fixture
def pretends(monkeypatch):
    """Runs leave metrics without training; the one of the given rate is the best."""
    trained = []

    def train(store, settings):
        trained.append(settings)
        settings.out.mkdir(parents=True, exist_ok=True)
        best = 0.5 if settings.learning_rate == 1e-2 else 0.25
        best -= 0.1 * (settings.variant == "scaled")
        metrics = pd.DataFrame({"epoch": [0, 1, 2], "train_loss": [None, 0.4, 0.2]})
        metrics["dev_match_rate"] = [0.9, best, best - 0.1]  # the untrained one does not count
        metrics["dev_match_rate_mismatched"], metrics["speech_gain"] = 0.1, best - 0.1
        metrics["dev_chance"] = 0.01
        metrics.to_csv(settings.out / "metrics.csv", index=False)
        return settings.out

    monkeypatch.setattr(engine, "open_store", lambda path, *, check: path)
    monkeypatch.setattr(engine, "run_pretraining", train)
    return trained


def test_the_table_has_the_best_run_first_beside_curves(file, pretends):
    settings = load_sweep(file, {})
    out = sweep(settings)
    assert len(pretends) == 4
    table = pd.read_csv(out / "sweep.csv")
    assert table["dev_match_rate"].tolist() == pytest.approx([0.5, 0.4, 0.25, 0.15])
    assert table.loc[0, ["variant", "learning_rate", "epoch"]].tolist() == ["paper", 0.01, 1]
    assert table["speech_gain"].tolist() == pytest.approx([0.4, 0.3, 0.15, 0.05])
    for name in ("convergence.svg", "validation.svg"):
        text = (out / name).read_text()
        assert "<svg" in text
        assert "variant=scaled,learning_rate=0.001" in text


def test_a_setting_of_the_grid_cannot_be_given_besides(file):
    with pytest.raises(SettingsError, match=r"learning_rate: expected a setting of the grid, or"):
        load_sweep(file, {"learning_rate": 1e-3})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1", "expected name, out, pretrain and grid"),
        ("name: x\nout: y\npretrain: {store: s}\ngrid: {varient: [paper]}", "varient"),
        ("name: x\nout: y\npretrain: {store: s}\ngrid: {batch_size: [0]}", "batch_size = 0"),
        ("name: x\nout: y\npretrain: {}\ngrid: {seed: [0]}", "store"),
        ("name: [", "YAML in UTF-8"),
        ("name: x\nout: y\npretrain: {store: s}\ngrid: {}", "grid"),
    ],
)
def test_a_malformed_sweep_is_refused_before_any_run(tmp_path, text, message):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message):
        load_sweep(path, {})


def test_no_file_says_where_to_copy_one(tmp_path):
    with pytest.raises(MissingInputError, match="pipelines/sweeps"):
        load_sweep(tmp_path / "none.yaml", {})


def test_the_shipped_sweep_is_the_papers_figure():
    settings = load_sweep(shipped_file("pipelines", "sweeps/whisper-base.yaml"), {"store": "s"})
    assert isinstance(settings, SweepSettings)
    assert settings.grid["temperature"][0] == 0.07
    assert len(list(runs_of(settings, where="shipped"))) == 36
