"""Every setting is an option, and a command that is written from settings means them."""

import click
import pytest
from click.testing import CliRunner

from tokser.cli import main
from tokser.cli.options import command, threads_option
from tokser.config import (
    AlignSettings,
    AuditSettings,
    ClassifySettings,
    ExtractSettings,
    FitSettings,
    PoolSettings,
    PretrainSettings,
    RegressSettings,
    ReportSettings,
    Settings,
    TransferSettings,
)
from tokser.config.option import command_words, described
from tokser.threads import num_threads

SETTINGS: dict[str, type[Settings]] = {
    "align": AlignSettings,
    "audit": AuditSettings,
    "classify": ClassifySettings,
    "extract": ExtractSettings,
    "fit": FitSettings,
    "pool": PoolSettings,
    "pretrain": PretrainSettings,
    "regress": RegressSettings,
    "report": ReportSettings,
    "transfer": TransferSettings,
}
REQUIRED = {
    "align": {"store": "s.zarr", "checkpoint": "runs/x"},
    "audit": {"store": "s.zarr"},
    "classify": {"dataset": "emodb", "store": "s.zarr", "out": "out"},
    "extract": {"dataset": "emodb", "root": "c", "store": "s.zarr", "encoders": ("a/b", "c d")},
    "fit": {"dataset": "emodb", "store": "s.zarr", "features": "a/b", "out": "out"},
    "pool": {"store": "s.zarr"},
    "pretrain": {"store": "s.zarr", "out": "out"},
    "regress": {"dataset": "iemocap", "store": "s.zarr", "out": "out"},
    "report": {"results": ("a", "b c")},
    "transfer": {"dataset": "both", "store": ("a.zarr", "b.zarr"), "out": "out"},
}


def understood(name, words, monkeypatch, **environment):
    caught = []

    def catch(settings):
        caught.append(settings)
        raise KeyboardInterrupt

    monkeypatch.setattr(f"tokser.stages.{name}.{name}", catch)
    result = CliRunner().invoke(main, [name, *words], env=environment)
    assert result.exit_code == 1, result.output
    return caught[0]


def other_value(one):
    """Return a value that is not the default."""
    if one.value is bool:
        return not one.default
    if one.choices:
        if one.is_several:
            return one.choices[-1:]
        return next(name for name in one.choices if name != one.default)
    if one.is_mapping:
        return {"heads": 8}
    text, more = {int: (7, 8), float: (0.25, 0.5)}.get(one.value, ("other", "two"))
    return (text, more) if one.is_several else text


@pytest.mark.parametrize("name", SETTINGS)
def test_every_option_is_written_as_it_is_read(name, monkeypatch):
    kind = SETTINGS[name]
    for one in described(kind):
        parent, _, field = one.field.rpartition(".")
        if one.field == "grid" or one.option.kind == "dataset":
            continue
        value = other_value(one)
        usual = one_point() if parent == "grid" else {}
        changes = {parent: {**usual, field: value}} if parent else {field: value}
        settings = kind.parse(REQUIRED[name] | changes, where="here")
        found = understood(name, command_words(settings), monkeypatch)
        if one.option.joined and not one.option.splits:
            assert found.features == (", ".join(settings.features),)
        else:
            assert with_one_point(found) == with_one_point(settings), one.name


def one_point():
    from tokser.config.grid import ONE_POINT

    return dict(ONE_POINT)


def with_one_point(settings):
    """A command without --grid trains one point, settings without a grid the paper's."""
    if isinstance(settings, ClassifySettings):
        grid = settings.grid.model_copy(update=one_point())
        return settings.model_copy(update={"grid": grid})
    return settings


@pytest.mark.parametrize("name", SETTINGS)
def test_topics_name_every_option_and_nothing_else(name):
    named = [field for fields in SETTINGS[name].TOPICS.values() for field in fields]
    assert sorted(named) == sorted(one.field for one in described(SETTINGS[name]))


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        (["--splits", "train-clean-100", "--encoders", "x"], {"splits": ("train-clean-100",)}),
        (["--functionals-only", "--no-functionals-only"], {"functionals_only": False}),
    ],
)
def test_earlier_spellings_are_understood_and_not_shown(words, changes, monkeypatch):
    settings = ExtractSettings.parse(REQUIRED["extract"], where="here")
    found = understood("extract", [*command_words(settings), *words], monkeypatch)
    assert {key: getattr(found, key) for key in changes} == changes
    shown = CliRunner().invoke(main, ["extract", "-h"]).output
    assert "--splits" not in shown and "--encoders" not in shown


@pytest.mark.parametrize(
    ("variable", "text", "changes"),
    [
        ("TOKSER_CLASSIFY_FEATURES", "a + b, mean(a, b)", {"features": ("a + b, mean(a, b)",)}),
        ("TOKSER_CLASSIFY_PROTOCOL", "speaker, text", {"protocols": ("speaker", "text")}),
        ("TOKSER_CLASSIFY_SEEDS", "3", {"num_seeds": 3}),
        ("TOKSER_CLASSIFY_REFIT", "0", {"refit": False}),
    ],
)
def test_options_are_variables_of_the_environment_too(variable, text, changes, monkeypatch):
    settings = ClassifySettings.parse(REQUIRED["classify"], where="here")
    words = command_words(settings, without=("grid",))
    found = understood("classify", words, monkeypatch, **{variable: text})
    assert {key: getattr(found, key) for key in changes} == changes


def test_a_repeated_option_has_several_values_in_its_variable(monkeypatch):
    words = ["--dataset", "emodb", "--root", "c", "--store", "s"]
    found = understood("extract", words, monkeypatch, TOKSER_EXTRACT_ENCODER="a/b c/d")
    assert found.encoders == ("a/b", "c/d")


def test_a_variable_that_is_wrong_is_named():
    result = CliRunner().invoke(
        main, ["pretrain", "--store", "s"], env={"TOKSER_PRETRAIN_EPOCHS": "http://u:pw@h"}
    )
    assert result.exit_code == 2
    assert "'http://h' is not a valid integer" in result.stderr


def test_values_joined_by_commas_are_completed_one_by_one():
    command = main.get_command(click.Context(main), "classify")
    (option,) = (one for one in command.params if "--protocol" in getattr(one, "opts", ()))
    context = click.Context(command)
    found = [item.value for item in option.type.shell_complete(context, option, "speaker,te")]
    assert found == ["speaker,text"]


COMPUTE = [
    *("extract", "pretrain", "align", "apply", "pool", "probe", "similarity", "labels", "scaling"),
    *("classify", "transfer", "regress", "fit", "tune", "predict", "transcribe", "run", "demo"),
]


@pytest.mark.parametrize("name", COMPUTE)
def test_commands_that_compute_take_a_number_of_threads(name):
    command = main.get_command(click.Context(main), name)
    assert "--threads" in [option for one in command.params for option in one.opts]


@pytest.mark.parametrize(
    ("arguments", "variable", "number"),
    [(("--threads", "3"), "5", 3), ((), "5", 5), ((), "", 1)],
)
def test_threads_hold_while_a_command_runs(monkeypatch, arguments, variable, number):
    found = []

    @command(example="")
    @threads_option
    def compute():
        """Compute."""
        found.append(num_threads())

    monkeypatch.setenv("TOKSER_THREADS", variable)
    monkeypatch.setattr("tokser.cli.options.num_threads", lambda: 1)
    result = CliRunner().invoke(compute, arguments)
    assert result.exit_code == 0, result.output
    assert found == [number]


def test_a_wrong_number_of_threads_is_a_wrong_call():
    result = CliRunner().invoke(main, ["pool", "--store", "s", "--threads", "0"])
    assert result.exit_code == 2
    assert "--threads" in result.stderr
