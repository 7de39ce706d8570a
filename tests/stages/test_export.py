import json

import numpy as np
import pandas as pd
import pytest

from tokser.config import PoolSettings
from tokser.errors import SettingsError
from tokser.stages.export import export
from tokser.stages.pool import pool

FEATURE = "whisper-tiny/layer-2"


@pytest.fixture
def store(stores):
    return stores.complete()


def test_every_feature_gets_a_file_and_a_stamp(store, tmp_path):
    done = export(str(store.path), str(tmp_path / "out"), format="parquet")
    assert done.paths == {FEATURE: tmp_path / "out" / f"{FEATURE}.parquet"}
    table = pd.read_parquet(done.paths[FEATURE])
    assert table["id"].tolist() == store.ids
    stamp = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert stamp["stage"] == "export"
    assert stamp["inputs"] == {FEATURE: store[FEATURE].identity}
    assert done.num_bytes > store[FEATURE].num_rows * 16
    assert done.seconds > 0


def test_functionals_are_written_instead_where_asked(store, tmp_path):
    pool(PoolSettings(store=str(store.path)))
    done = export(str(store.path), str(tmp_path / "out"), format="npz", functionals=True)
    with np.load(done.paths[f"functionals/{FEATURE}"] / "00000.npz") as archive:
        expected = store.__class__(store.backend)[FEATURE].functionals()
        np.testing.assert_array_equal(archive["functionals"], expected)


def test_the_same_export_again_does_nothing(store, tmp_path, capsys):
    first = export(str(store.path), str(tmp_path / "out"), format="npz")
    again = export(str(store.path), str(tmp_path / "out"), format="npz")
    assert again.seconds == 0
    assert (again.paths, again.num_bytes) == (first.paths, first.num_bytes)
    assert "already exported" in capsys.readouterr().err


def test_another_export_is_not_overwritten(store, tmp_path):
    export(str(store.path), str(tmp_path / "out"), format="npz")
    with pytest.raises(SettingsError, match="holds something"):
        export(str(store.path), str(tmp_path / "out"), format="parquet")
    assert (tmp_path / "out" / FEATURE / "00000.npz").exists()


def test_a_url_and_an_unknown_format_are_refused(store, tmp_path):
    with pytest.raises(SettingsError, match="a local folder, got a URL"):
        export(str(store.path), "s3://bucket/out", format="npz")
    with pytest.raises(SettingsError, match="npz, parquet, datasets, got 'csv'"):
        export(str(store.path), str(tmp_path / "out"), format="csv")
    assert not (tmp_path / "out").exists()
