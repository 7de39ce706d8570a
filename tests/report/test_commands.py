import shlex

import pytest
from click.testing import CliRunner

from tokser.cli import main
from tokser.config import ClassifySettings, PretrainSettings, RegressSettings
from tokser.report.commands import (
    classify_command,
    pretrain_command,
    regress_command,
    row_command,
)

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
def test_a_classify_command_means_the_settings_it_was_made_of(settings, monkeypatch):
    expected = ClassifySettings.parse(settings, where="here")
    command = classify_command(expected.model_dump(mode="json"))
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
def test_a_regress_command_means_the_settings_it_was_made_of(changes, monkeypatch):
    expected = RegressSettings.parse(PLAIN | changes, where="here")
    command = regress_command(expected.model_dump(mode="json"))
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
def test_a_pretrain_command_means_the_settings_it_was_made_of(changes, monkeypatch):
    expected = PretrainSettings(store="libri.zarr", out="runs/x", **changes)
    command = pretrain_command(expected.model_dump(mode="json"))
    assert understood(command, monkeypatch, "tokser.stages.pretrain.pretrain") == expected


def test_a_row_has_a_folder_of_its_own_and_nothing_but_itself():
    command = row_command(PLAIN | MANY, "mean(a/x, b/y + c/z)", "svm", ["kfold"])
    words = shlex.split(command)
    assert words[words.index("--features") + 1] == "mean(a/x, b/y + c/z)"
    assert words[words.index("--out") + 1] == "again/mean-a-x-b-y-c-z-svm"
    assert words[words.index("--protocol") + 1] == "kfold"


def test_a_choice_among_classifiers_is_made_again_by_naming_them():
    command = row_command(PLAIN, "best(a/layer-0..3)", "best(mlp, svm)", ["speaker"])
    words = shlex.split(command)
    assert words[words.index("--classifier") + 1] == "mlp,svm"


def test_what_no_command_can_say_is_not_said():
    assert classify_command({"dataset": "emodb"}) is None
    assert classify_command(PLAIN | {"grid": {"hidden": ((8,), (16, 8))}}) is None
    assert pretrain_command({}) is None
    assert regress_command({"dataset": "iemocap"}) is None
