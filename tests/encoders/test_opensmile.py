import json
import logging
import sys

import numpy as np
import pytest
import torch

from tokser.encoders import SpeechEncoder, load_encoder
from tokser.encoders.layers import full_provenance, layer_name, parse_layers
from tokser.errors import MissingPackageError, SettingsError

opensmile = pytest.importorskip("opensmile")
SETS = {"eGeMAPSv02": ("egemaps", 25, 88), "ComParE_2016": ("compare-2016", 65, 6373)}


def load(name):
    return load_encoder(f"opensmile:{name}", revision=None, device=torch.device("cpu"))


@pytest.fixture(scope="module")
def encoder():
    return load("eGeMAPSv02")


def noise(num_samples, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, num_samples).astype(np.float32)


@pytest.mark.parametrize("name", SETS)
def test_both_levels_are_what_opensmile_computes(name):
    encoder, (group, num_lld, num_functionals) = load(name), SETS[name]
    assert isinstance(encoder, SpeechEncoder)
    assert (encoder.name, encoder.dims) == (group, {0: num_lld, 1: num_functionals})
    (found,) = encoder.encode([noise(16_321)], [0, 1])
    for layer, level in enumerate(("LowLevelDescriptors", "Functionals")):
        plain = opensmile.Smile(
            feature_set=opensmile.FeatureSet[name], feature_level=opensmile.FeatureLevel[level]
        )
        wanted = plain.process_signal(noise(16_321), 16_000)
        np.testing.assert_array_equal(found[layer], wanted.to_numpy())


def test_frames_are_known_before_they_are_computed(encoder):
    assert encoder.min_samples == 960
    for samples in (960, 961, 1_600, 15_999, 48_123):
        (found,) = encoder.encode([noise(samples)], [0])
        assert len(found[0]) == encoder.num_frames(samples)
    assert encoder.num_frames(16_000) == 96


def test_parallel_utterances_give_the_values_of_one_alone(encoder):
    given = [noise(4_000 + 997 * number, number) for number in range(8)]
    together = encoder.encode(given, [0, 1])
    for waveform, found in zip(given, together, strict=True):
        (alone,) = encoder.encode([waveform], [0, 1])
        for layer in (0, 1):
            np.testing.assert_array_equal(found[layer], alone[layer])


def test_loud_samples_do_not_wrap_around(encoder):
    loud = np.clip(8 * noise(8_000), -1.5, 1.5)
    (found,) = encoder.encode([loud], [1])
    (limited,) = encoder.encode([np.clip(loud, -1, 0.99996)], [1])
    np.testing.assert_allclose(found[1], limited[1], rtol=1e-3, atol=1e-3)


def test_layers_go_by_their_names(encoder):
    assert [layer_name(encoder, layer) for layer in (0, 1)] == ["lld", "functionals"]
    assert parse_layers(encoder, "last") == parse_layers(encoder, "all") == [0, 1]
    assert parse_layers(encoder, "functionals") == [1]
    with pytest.raises(SettingsError, match="expected last, all, or lld or functionals, got 0"):
        parse_layers(encoder, "0")


def test_provenance_names_set_version_licence_and_columns(encoder):
    found = full_provenance(encoder)
    assert found["model"] == "eGeMAPSv02"
    assert found["opensmile"]
    assert "non-commercial" in found["licence"]
    assert found["utterance_level"] == ["functionals"]
    assert found["columns"]["functionals"][0] == "F0semitoneFrom27.5Hz_sma3nz_amean"
    assert len(json.dumps(load("ComParE_2016").provenance())) < 10_000


def test_the_licence_is_named_when_it_is_used(caplog):
    with caplog.at_level(logging.INFO, logger="tokser"):
        load("eGeMAPSv02")
    assert "audEERING Research License (non-commercial use)" in caplog.text


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "opensmile", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'tokser\[opensmile\]'.*License"):
        load("eGeMAPSv02")


@pytest.mark.parametrize("name", ["", "egemaps"])
def test_an_unknown_set_names_those_there_are(name):
    with pytest.raises(SettingsError, match=r"eGeMAPSv02, .*for instance opensmile:eGeMAPSv02"):
        load(name)
