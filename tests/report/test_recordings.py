"""Recordings on the page."""

import shutil

import pytest

from tokser.experiments.joined_store import JoinedStore
from tokser.report.recordings import embed
from tokser.stages.embed_recordings import embed_recordings

pytestmark = pytest.mark.slow


def test_recordings_are_read_where_they_are_now(explorable):
    ids = ["utt001", explorable.odd]
    found = embed(ids, explorable.store, embed_recordings, [explorable.root])
    assert list(found) == ids
    assert found["utt001"].address.startswith("data:audio/ogg;base64,")
    assert found["utt001"].duration_s == 0.5
    assert found["utt001"].waveform.startswith("M0 ")


def test_a_corpus_that_is_gone_is_said_with_the_way_out(explorable, capsys):
    found = embed(["utt001", "utt002"], explorable.store, embed_recordings)
    assert [one.address for one in found.values()] == ["", ""]
    said = " ".join(capsys.readouterr().err.split())
    assert "2 of 2 recordings cannot be played" in said and "--root" in said


def test_one_missing_recording_does_not_stop_the_others(explorable, tmp_path):
    shutil.copytree(explorable.root / "wav", tmp_path / "wav")
    (tmp_path / "wav" / "utt002.wav").unlink()
    found = embed(["utt001", "utt002"], explorable.store, embed_recordings, [tmp_path])
    assert found["utt001"].address and not found["utt001"].fault
    assert not found["utt002"].address and found["utt002"].fault


def test_several_corpora_have_folders_of_their_own(explorable, stores, write_wav):
    table = stores.manifest(2)
    other = stores.complete(table, dataset="nemo")
    for path in table["path"]:
        write_wav(stores.folder / path)
    joined = JoinedStore([explorable.store, other])
    asked = []

    def encode(root, utterances, names):
        asked.append((root, list(names)))
        return embed_recordings(root, utterances, names)

    found = embed(["nemo/utt001", "emodb/utt001"], joined, encode, [stores.folder])
    assert list(found) == ["emodb/utt001", "nemo/utt001"]
    assert asked[1] == (stores.folder, ["utt001"])
    assert found["nemo/utt001"].address
