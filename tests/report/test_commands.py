import shlex

import pytest
from click.testing import CliRunner

from tokser.cli import main
from tokser.config import ClassifySettings, PretrainSettings, RegressSettings
from tokser.experiments.results import CLASSIFICATION, REGRESSION
from tokser.report.commands import command_of, row_command
from tokser.report.scores import Configuration

PLAIN = {"dataset": "emodb", "store": "stores/a b.zarr", "out": "results/emodb"}
GRID = {"batch_sizes": (4, 8), "learning_rates": (1e-3, 0.05), "epochs": 7, "hidden": (16,)}
MANY = {
    "features": ("whisper-base/layer-*", "mean(a/x, b/y + c/z)"),
    "protocols": ("fixed", "kfold"),
    "functionals": ("mean", "max"),
    "classifiers": ("mlp", "svm"),
    "num_folds": 4,
    "group_by": "sentence",
    "standardise": "speaker",
    "refit": False,
    "stratify": False,
    "seed": 3,
    "num_seeds": 5,
    "grid": GRID | {"class_weights": True, "early_stopping": 6, "plateau_factor": 0.5},
}


def understood(command: str, monkeypatch, stage: str):
    """Return the settings that the command line makes of a command."""
    caught = []

    def catch(settings):
        caught.append(settings)
        raise KeyboardInterrupt

    monkeypatch.setattr(stage, catch)
    assert CliRunner().invoke(main, shlex.split(command)[1:]).exit_code == 1
    return caught[0]


@pytest.mark.parametrize(
    "settings", [PLAIN, PLAIN | {"grid": GRID}, PLAIN | MANY], ids=["plain", "grid", "many"]
)
def test_classify_commands_mean_their_settings(settings, monkeypatch):
    expected = ClassifySettings.parse(settings, where="here")
    command = command_of("classify", expected.model_dump(mode="json"))
    found = understood(command, monkeypatch, "tokser.stages.classify.classify")
    together = ", ".join(expected.features)
    assert ", ".join(found.features) == together
    assert found == expected.model_copy(update={"features": found.features})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"targets": ("arousal",), "regressors": ("ridge", "mlp-sklearn"), "seed": 3},
        {"refit": False, "grid": GRID, "regressors": ("mlp-sklearn",)},
    ],
)
def test_regress_commands_mean_their_settings(changes, monkeypatch):
    expected = RegressSettings.parse(PLAIN | changes, where="here")
    command = command_of("regress", expected.model_dump(mode="json"))
    assert understood(command, monkeypatch, "tokser.stages.regress.regress") == expected


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"variant": "sunder", "options": {"heads": 8}, "text_only": False, "learning_rate": 3e-4},
        {"speech": "w/layer-6", "text": "b/contextual", "special_tokens": False, "patience": 4},
        {"precision": "bf16", "schedule": "cosine", "warmup_steps": 9, "clip_norm": 1.0},
    ],
)
def test_pretrain_commands_mean_their_settings(changes, monkeypatch):
    expected = PretrainSettings(store="libri.zarr", out="runs/x", **changes)
    command = command_of("pretrain", expected.model_dump(mode="json"))
    assert understood(command, monkeypatch, "tokser.stages.pretrain.pretrain") == expected


def row(features, classifier):
    return Configuration(features, classifier, "0", "", features)


def test_a_row_has_a_folder_of_its_own():
    found = row("mean(a/x, b/y + c/z)", "svm")
    words = shlex.split(row_command(CLASSIFICATION, PLAIN | MANY, "", found, ["kfold"]))
    assert words[words.index("--features") + 1] == "mean(a/x, b/y + c/z)"
    assert words[words.index("--out") + 1] == "again/mean-a-x-b-y-c-z-svm"
    assert words[words.index("--protocol") + 1] == "kfold"


def test_a_row_of_predicted_numbers_has_its_target():
    words = shlex.split(row_command(REGRESSION, PLAIN, "valence", row("a/x", "ridge"), ["speaker"]))
    assert words[:2] == ["tokser", "regress"]
    assert words[words.index("--target") + 1] == "valence"
    assert words[words.index("--out") + 1] == "again/a-x-ridge-valence"


@pytest.mark.parametrize("how", ["best", "mean", "weighted"])
def test_what_is_made_of_several_classifiers_names_them(how):
    found = row(f"{how}(a/layer-0..3)", f"{how}(mlp, svm)")
    words = shlex.split(row_command(CLASSIFICATION, PLAIN, "", found, ["speaker"]))
    assert words[words.index("--head") + 1] == "mlp,svm"


def test_settings_without_options_have_no_command():
    assert command_of("classify", {"dataset": "emodb"}) is None
    assert command_of("classify", PLAIN | {"grid": {"hidden": ((8,), (16, 8))}}) is None
    assert command_of("pretrain", {}) is None
    assert command_of("regress", {"dataset": "iemocap"}) is None
