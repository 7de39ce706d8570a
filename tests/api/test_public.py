"""The public interface: what `tokser.NAME` is, what it loads, and what editors see."""

import inspect
import subprocess
import sys
from typing import get_type_hints

import pytest

import tokser
from tokser.api import options
from tokser.config import (
    AlignSettings,
    ClassifySettings,
    ExtractSettings,
    FitSettings,
    LabelsSettings,
    PoolSettings,
    PretrainSettings,
    ProbeSettings,
    PullSettings,
    PushSettings,
    RegressSettings,
    ReportSettings,
    ScalingSettings,
    SimilaritySettings,
    TranscribeSettings,
)
from tokser.config.option import described

CALLS = {
    "extract": (ExtractSettings, options.ExtractOptions),
    "pool": (PoolSettings, options.PoolOptions),
    "pretrain": (PretrainSettings, options.PretrainOptions),
    "align": (AlignSettings, options.AlignOptions),
    "classify": (ClassifySettings, options.ClassifyOptions),
    "regress": (RegressSettings, options.RegressOptions),
    "fit": (FitSettings, options.FitOptions),
    "report": (ReportSettings, options.ReportOptions),
    "probe": (ProbeSettings, options.ProbeOptions),
    "transcribe": (TranscribeSettings, options.TranscribeOptions),
    "labels": (LabelsSettings, options.LabelsOptions),
    "similarity": (SimilaritySettings, options.SimilarityOptions),
    "scaling": (ScalingSettings, options.ScalingOptions),
}

WITH_KEYWORDS_OF_THEIR_OWN = {"push": PushSettings, "pull": PullSettings}


@pytest.mark.parametrize("name", WITH_KEYWORDS_OF_THEIR_OWN)
def test_few_keywords_stand_in_the_signature(name):
    parameters = set(inspect.signature(getattr(tokser, name)).parameters)
    assert parameters == set(WITH_KEYWORDS_OF_THEIR_OWN[name].model_fields)


@pytest.mark.parametrize("name", tokser.__all__)
def test_every_public_name_is_there(name):
    assert getattr(tokser, name) is not None
    assert name in dir(tokser)


@pytest.mark.parametrize("name", CALLS)
def test_keywords_are_the_settings_of_the_command(name):
    settings, typed = CALLS[name]
    function = getattr(tokser, name)
    explicit = set(inspect.signature(function).parameters) - {"options"}
    known = {one.field.rpartition(".")[2] for one in described(settings)}
    known |= set(settings.model_fields)
    assert explicit | set(get_type_hints(typed)) == known | ({"dataset"} & explicit)


def test_packages_that_are_called_stay_packages():
    from tokser.pretrain.features import stamp_of

    assert stamp_of.__module__ == "tokser.pretrain.features"
    assert inspect.ismodule(tokser.pretrain)
    assert "variant" in inspect.signature(tokser.pretrain).parameters
    assert "results" in inspect.signature(tokser.report).parameters


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'clasify'"):
        _ = tokser.clasify


def test_looking_at_the_interface_loads_nothing_heavy():
    script = (
        "import sys, tokser; dir(tokser); tokser.open_store; tokser.show_progress; tokser.pretrain;"
        "print(*{'torch', 'pandas', 'sklearn', 'IPython', 'rich'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
