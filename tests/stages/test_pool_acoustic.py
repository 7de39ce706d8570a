"""`tokser pool --acoustic`: energy and pitch of the recordings, as probing.md shows it."""

import shutil

import numpy as np
import pytest
import soundfile

import tokser
from tokser.config import PoolSettings
from tokser.encoders.acoustic import NAMES, measure
from tokser.errors import MissingInputError
from tokser.experiments.probing.targets import read_targets
from tokser.stages.pool import pool
from tokser.store import open_store
from tokser.store.list_quarantined import all_quarantined

FEATURE = "acoustic/functionals"


@pytest.fixture(scope="module")
def made(write_noise_emodb, tmp_path_factory):
    """A store of noise that has other features, and the folder of the recordings."""
    root = tmp_path_factory.mktemp("acoustic")
    (root / "corpus").mkdir()
    write_noise_emodb(root / "corpus")
    path = root / "emodb.zarr"
    told = {"encoders": "opensmile:eGeMAPSv02", "layers": "lld", "store": path}
    tokser.extract("emodb", root=root / "corpus", **told)
    return path, root / "corpus"


@pytest.fixture
def store(made, tmp_path) -> str:
    """A copy of the store, to add to."""
    return str(shutil.copytree(made[0], tmp_path / "emodb.zarr"))


@pytest.mark.slow
def test_recordings_are_measured_once(store, made):
    found = pool(PoolSettings(store=store, acoustic=True))
    assert found == ["egemaps/lld", FEATURE]
    opened = open_store(store)
    assert opened.functional_columns(FEATURE) == list(NAMES)
    assert opened.is_utterance_level(FEATURE)
    table = opened.functionals(FEATURE)
    for name in table.index[:3]:
        waveform, _ = soundfile.read(made[1] / "wav" / f"{name}.wav", dtype="float32")
        np.testing.assert_allclose(table.loc[name], measure(waveform), rtol=1e-5)
    before = opened.identity(FEATURE)
    pool(PoolSettings(store=store, acoustic=True))
    assert open_store(store).identity(FEATURE) == before
    (target,) = read_targets(open_store(store), ["energy"])
    assert target.values.to_dict() == table.iloc[:, 0].astype(float).to_dict()


@pytest.mark.slow
def test_recordings_that_were_moved_are_named(store, made, tmp_path):
    moved = shutil.copytree(made[1], tmp_path / "elsewhere")
    made[1].rename(made[1].with_name("away"))
    try:
        with pytest.raises(MissingInputError, match="--root"):
            pool(PoolSettings(store=store, acoustic=True))
        assert FEATURE not in open_store(store).pooled
        pool(PoolSettings(store=store, acoustic=True, root=moved))
    finally:
        made[1].with_name("away").rename(made[1])
    assert FEATURE in open_store(store).pooled


@pytest.mark.slow
def test_a_recording_that_changed_is_quarantined(store, made, tmp_path):
    changed = shutil.copytree(made[1], tmp_path / "changed")
    path = min((changed / "wav").glob("03*.wav"))
    waveform, rate = soundfile.read(path)
    soundfile.write(path, np.concatenate([waveform, waveform]), rate)
    pool(PoolSettings(store=store, acoustic=True, root=changed))
    assert path.stem not in open_store(store).functionals(FEATURE).index
    assert path.stem in all_quarantined(open_store(store))
