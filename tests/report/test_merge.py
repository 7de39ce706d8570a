import pandas as pd
import pytest

from tokser.errors import InputError, MissingInputError
from tokser.report.merge import merge_results

LAYERS = [f"whisper-base/layer-{layer}" for layer in (10, 2, 0)]


def test_folders_are_merged_in_natural_order(folders):
    first = folders.results("a", features=LAYERS)
    second = folders.results("b", features=["wavlm-base/layer-1"], dataset="iemocap")
    merged = merge_results([second, first])
    assert list(merged["dataset"].unique()) == ["emodb", "iemocap"]
    assert list(merged["features"].unique()) == [*LAYERS[::-1], "wavlm-base/layer-1"]
    assert len(merged) == 8


def test_merging_keeps_every_row(folders):
    paths = [folders.results(f"seed-{seed}", seed=seed) for seed in range(3)]
    merged = merge_results(paths)
    whole = pd.concat([pd.read_csv(path / "results.csv") for path in paths])
    assert sorted(merged["uar"]) == sorted(whole["uar"])


def test_a_configuration_in_two_folders_is_refused(folders):
    paths = [folders.results("a"), folders.results("b", features=["whisper-base/layer-2"])]
    with pytest.raises(InputError) as raised:
        merge_results(paths)
    message = str(raised.value)
    assert str(paths[0]) in message
    assert str(paths[1]) in message
    assert "whisper-base/layer-2/random/mlp/0" in message
    assert "layer-10" not in message


def test_every_folder_without_results_is_named(folders):
    with pytest.raises(MissingInputError, match=r"one/results\.csv.*two/results\.csv"):
        merge_results([folders.root / "one", folders.root / "two"])
