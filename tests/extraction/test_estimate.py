from collections import namedtuple
from pathlib import Path

import pytest

from tokser.config import ExtractSettings
from tokser.errors import InputError
from tokser.extraction import estimate as module
from tokser.extraction.estimate import estimate
from tokser.stages.extract import extract

Disk = namedtuple("Disk", "total used free")


@pytest.fixture
def settings(emodb, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MEASURE_S", 0.01)
    return ExtractSettings(
        dataset="emodb",
        root=emodb,
        store=str(tmp_path / "new" / "emodb.zarr"),
        encoders=(str(tiny / "tiny-whisper"), str(tiny / "tiny-bert")),
        layers="all",
    )


def shard_bytes(path):
    return sum(file.stat().st_size for file in Path(path).rglob("rows/c/**/*") if file.is_file())


@pytest.mark.slow
def test_the_estimate_is_what_is_written(settings):
    found = estimate(settings)
    assert not Path(settings.store).parent.exists()
    extract(settings)
    assert found.num_bytes_to_write == pytest.approx(shard_bytes(settings.store), rel=0.02, abs=9e3)
    assert {f.name for f in found.features} >= {"tiny-whisper/layer-0", "tiny-bert/token_ids"}
    assert all(seconds > 0 for seconds in found.seconds.values())
    assert found.audio_hours == pytest.approx(6 * 13_000 / 16_000 / 3600, rel=0.5)


def test_features_in_the_store_are_not_counted_again(settings):
    extract(settings)
    found = estimate(settings)
    assert found.num_bytes_to_write == 0
    assert found.seconds == {"tiny-whisper": 0.0, "tiny-bert": 0.0}
    assert all(f.num_shards == f.num_shards_done for f in found.features)


@pytest.mark.parametrize("call", [estimate, extract])
def test_a_full_disk_is_refused_before_anything_runs(settings, monkeypatch, call):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: Disk(10, 10, 1_000))
    with pytest.raises(InputError, match=r"GB of free disk.*got 0\.00 GB"):
        call(settings)
    assert not Path(settings.store).parent.exists()


def test_a_url_has_no_free_disk_space(settings):
    assert module._free_bytes("s3://bucket/feats.zarr") is None
