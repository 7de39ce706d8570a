import numpy as np
import pytest
from click.testing import CliRunner

from tokser.cli import main
from tokser.errors import InputError, SettingsError, StoreMismatchError
from tokser.stages.compare import compare


@pytest.fixture
def two(stores):
    """Two stores of one corpus; the second holds other values, and says so."""
    table = stores.manifest()
    first = stores.complete(table, stores.plan(table, context="pad"), name="pad.zarr")
    second_plan = stores.plan(table, features={"layer-2": 8}, context="fit", precision="bfloat16")
    plain = stores.rows
    stores.rows = lambda plan, feature, position: plain(plan, feature, position) * np.float16(2)
    second = stores.complete(table, second_plan, name="fit.zarr")
    return first, second


def test_features_of_both_are_compared_by_utterance(two):
    (found,) = compare(*(store.path for store in two))
    assert found.features == ("whisper-tiny/layer-2",) * 2
    assert found.made_by == ("pad", "fit, bfloat16")
    assert found.num_utterances == 12
    assert found.num_rows == two[0]["whisper-tiny/layer-2"].num_rows
    assert found.cosine == pytest.approx(1, abs=1e-3)
    assert found.relative_l2 == found.mean_l2 == pytest.approx(1, abs=1e-3)
    assert found.shift > 0


def test_the_command_shows_a_table(two):
    result = CliRunner().invoke(main, ["compare", *(store.path for store in two)])
    assert result.exit_code == 0, result.output
    assert "whisper-tiny/layer-2" in result.output
    assert "pad against fit, bfloat16" in result.output
    assert "…" not in result.output


def test_what_is_told_apart_only_by_later_provenance_is_named(stores):
    table = stores.manifest()
    old = stores.complete(table, name="old.zarr")
    new = stores.complete(table, stores.plan(table, last_layer="layer-2 before"), name="new.zarr")
    (found,) = compare(old.path, new.path)
    assert found.made_by == ("last_layer not stated", "last_layer layer-2 before")
    (same,) = compare(new.path, new.path)
    assert same.made_by == ("", "")


def test_a_feature_may_have_another_name_in_the_other_store(stores):
    table = stores.manifest()
    plan = stores.plan(table, features={"layer-1": 8, "layer-2": 8, "layer-3": 9})
    path = stores.complete(table, plan).path
    name, other = "whisper-tiny/layer-1", "whisper-tiny/layer-2"
    (found,) = compare(path, path, [f"{name}={other}"])
    assert found.features == (name, other)
    assert abs(found.cosine) < 0.5
    with pytest.raises(StoreMismatchError, match=r"layer-3: expected rows 8 wide .* got 9"):
        compare(path, path, [f"{name}=whisper-tiny/layer-3"])
    with pytest.raises(SettingsError, match=r"expected some of the features .* got bert/word"):
        compare(path, path, ["bert/word"])


def test_only_what_both_have_is_joined_by_id(stores):
    table = stores.manifest()
    first = stores.complete(table, name="all.zarr")
    second = stores.complete(table.iloc[3:8], name="some.zarr")
    (found,) = compare(first.path, second.path)
    assert found.num_utterances == 5
    renamed = table.rename(index=lambda name: f"other-{name}")
    third = stores.complete(renamed, name="other.zarr")
    with pytest.raises(InputError, match=r"utterances that have both .* got none"):
        compare(first.path, third.path)


def test_utterances_of_other_lengths_are_refused_by_name(stores):
    table = stores.manifest()
    first = stores.complete(table, name="all.zarr")
    lengths = first["whisper-tiny/layer-2"].lengths.to_numpy().copy()
    lengths[4] += 1
    second = stores.complete(table, stores.plan(table, lengths=lengths), name="longer.zarr")
    message = rf"utt004: expected {lengths[4] - 1} rows .* got {lengths[4]}"
    with pytest.raises(StoreMismatchError, match=message):
        compare(first.path, second.path)


def test_stores_without_a_common_feature(stores):
    table = stores.manifest()
    first = stores.complete(table, name="one.zarr")
    second = stores.complete(table, stores.plan(table, name="wavlm"), name="two.zarr")
    with pytest.raises(SettingsError, match=r"a feature that both stores have.*--features"):
        compare(first.path, second.path)
