import pytest
from pydantic import ValidationError

from tokser.config import ClassifySettings, ExtractSettings, GridSettings, PretrainSettings
from tokser.errors import SettingsError


def classify(**changes):
    values = {"dataset": "emodb", "store": "s.zarr", "out": "out"}
    return ClassifySettings.parse(values | changes, where="test.yaml")


def test_the_grid_is_that_of_table_2():
    grid = GridSettings()
    assert grid.batch_sizes == (4, 8, 16, 32, 64, 128, 256, 512, 1024)
    assert grid.learning_rates == (1e-3, 5e-3)
    assert grid.epochs == 30


def test_pretraining_is_that_of_section_4_3():
    settings = PretrainSettings(store="s", out="o")
    assert (settings.batch_size, settings.learning_rate, settings.temperature) == (64, 1e-4, 0.07)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"protocol": ("speaker",)}, r"unknown key 'protocol' \(nearest known key: 'protocols'\)"),
        ({"grid": {"learning_rate": 1}}, r"'grid\.learning_rate'.*'learning_rates'"),
        ({"heads": ()}, "heads"),
        ({"classifiers": ("tree",)}, r"heads\.0 = 'tree', which is none of mlp, linear, lo"),
        ({"classifiers": ("logregg",)}, "nearest known: 'logreg'"),
        ({"protocols": ("speakers",)}, r"none of random, .*loso; nearest known: 'speaker'"),
        ({"protocols": ("LOSO",)}, "nearest known: 'loso'"),
        ({"standardise": "speakr"}, "none of global, speaker; nearest known: 'speaker'"),
        ({"grid": {"batch_sizes": ()}}, "batch_sizes"),
        ({"grid": {"batch_sizes": (0,)}}, "greater than 0"),
        ({"seed": -1}, "seed"),
        ({"dataset": "ravdess/audio"}, "ravdess"),
    ],
)
def test_wrong_settings_are_named_with_the_file(changes, message):
    with pytest.raises(SettingsError, match=message) as caught:
        classify(**changes)
    assert str(caught.value).startswith("test.yaml: expected settings that are known, with")


@pytest.mark.parametrize("name", ["random", "report"])
def test_other_names_of_protocols_are_known(name):
    assert classify(protocols=(name, "loso", "text")).protocols == ("random", "speaker", "text")


def test_a_former_name_of_a_protocol_is_not_offered():
    with pytest.raises(SettingsError) as caught:
        classify(protocols=("reports",))
    assert "'report'" not in str(caught.value)


def test_all_faults_are_named_at_once():
    with pytest.raises(SettingsError, match=r"epoch.*sed"):
        classify(sed=1, grid={"epoch": 3})


def test_a_wrong_element_is_named_once():
    with pytest.raises(SettingsError) as caught:
        ClassifySettings.parse(
            {"dataset": "emodb", "store": "x", "out": "y", "coverage": ["1.5"]}, where="here"
        )
    assert "coverage.0 = '1.5'" in str(caught.value) and "at least 1 item" not in str(caught.value)


def test_settings_never_change():
    with pytest.raises(ValidationError):
        classify().seed = 3


def test_an_encoder_is_needed():
    with pytest.raises(SettingsError, match="encoders"):
        ExtractSettings.parse(
            {"dataset": "emodb", "root": ".", "store": "s", "encoders": ()}, where="x"
        )
