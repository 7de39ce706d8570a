"""From recordings to a pooled store, and to an aligned feature, by the calls of python.md."""

import pytest

import tokser
from tokser.errors import MissingInputError, SettingsError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tiny, write_noise_emodb, tmp_path_factory):
    root = tmp_path_factory.mktemp("noise")
    write_noise_emodb(root)
    encoders = [tiny / "tiny-whisper", tiny / "tiny-bert"]
    store = tokser.extract(
        "emodb", root=root, encoders=list(map(str, encoders)), store=root / "emodb.zarr"
    )
    return store, root


def test_extract_returns_the_store(made):
    store, _ = made
    assert store.features[0] == "tiny-whisper/layer-2"
    assert "08b02Na" in store.quarantined


def test_an_open_store_shows_what_was_added(made, tiny):
    store, root = made
    before = len(store.features)
    told = {"root": root, "encoders": str(tiny / "tiny-wavlm"), "layers": "all"}
    assert tokser.extract("emodb", store=store, **told) is store
    assert len(store.features) > before


def test_a_store_is_shown_in_a_notebook(made):
    html = made[0]._repr_html_()
    assert "tiny-whisper/layer-2" in html
    assert "1 in quarantine" in html


def test_pretrain_and_align_write_a_feature_into_the_store(made):
    store, root = made
    told = {"speech": "tiny-whisper/layer-2", "epochs": 1, "device": "cpu", "batch_size": 8}
    run = tokser.pretrain(store, **told)
    assert run.folder.parent == root / "emodb-runs"
    assert run.name.startswith("paper-")
    assert len(run.metrics) == 2
    assert run.best["epoch"] in (0, 1)
    assert "dev match rate" in run._repr_html_()
    assert tokser.pretrain(store, **told).folder == run.folder
    name = tokser.align(store, run)
    assert name == f"{run.name}/aligned"
    assert name in store.features


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(MissingInputError, match="a finished run"):
        tokser.Run(tmp_path)


def test_wrong_keywords_are_named(tmp_path):
    with pytest.raises(SettingsError, match="nearest known keyword: 'layers'"):
        tokser.extract("emodb", root=tmp_path, encoders="x", store="s.zarr", layer="all")
