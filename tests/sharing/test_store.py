"""Stores pushed to a hub, a bucket and a folder, read in place, and pulled, whole or in part."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from huggingface_hub import constants

from tests.store.filling import fill
from tokser.config import PullSettings, PushSettings
from tokser.errors import (
    DamagedFileError,
    MissingInputError,
    RunError,
    SettingsError,
    StoreMismatchError,
)
from tokser.sharing import places
from tokser.stages.pull import pull
from tokser.stages.push import push
from tokser.store import open_store, verify_store
from tokser.store.lookup_layer import LookupLayer
from tokser.store.remote_objects import RemoteObjects

pytestmark = [
    # huggingface_hub uploads in a way that its HTTP library calls outdated
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),
]

DATASET = "hf://datasets/ada/toy"
FEATURE, OTHER = "whisper-tiny/layer-2", "whisper-tiny/layer-1"


@pytest.fixture(params=["hub", "bucket", "folder"])
def address(request, tmp_path):
    """Where to share, once on each kind of place."""
    if request.param == "hub":
        request.getfixturevalue("hub")
        return DATASET
    if request.param == "bucket":
        return f"{request.getfixturevalue('s3_bucket')}/shared/toy"
    return str(tmp_path / "shared")


def pushed(store, target, **settings):
    return push(PushSettings(source=Path(store.path), target=str(target), **settings))


def pulled(source, target, **settings):
    return pull(PullSettings(source=str(source), target=target, **settings))


def assert_same_rows(one, other, features):
    for feature in features:
        for utterance in one.ids:
            np.testing.assert_array_equal(one[feature][utterance], other[feature][utterance])


def files_of(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def shard_of(folder: Path) -> Path:
    return folder / "whisper-tiny" / "layer-1" / "rows" / "c" / "0" / "0"


# Whole stores


def test_what_is_pulled_is_what_was_pushed(store, address, tmp_path):
    done = pushed(store, address)
    found = pulled(address, tmp_path / "copy.zarr")
    assert found.digest == done.digest
    copy = open_store(tmp_path / "copy.zarr", check=True)
    assert_same_rows(store, copy, store.features)
    assert copy.pooled == store.pooled
    assert not verify_store(copy).damages


def test_a_shared_store_is_read_in_place(store, hub):
    pushed(store, DATASET)
    hub.requests.clear()
    remote = open_store(DATASET, check=True)
    assert_same_rows(store, remote, [FEATURE])
    assert not any(OTHER + "/rows/c" in path for _, path in hub.requests)
    again = open_store(DATASET)
    hub.requests.clear()
    assert_same_rows(store, again, [FEATURE])
    assert [path for _, path in hub.requests if "resolve" in path] == []


def test_a_reader_stays_with_its_commit(store, hub):
    pushed(store, DATASET)
    remote = open_store(DATASET)
    first = remote.ids[0]
    hub.add_commit("datasets/ada/toy", {})
    np.testing.assert_array_equal(remote[FEATURE][first], store[FEATURE][first])
    with pytest.raises(MissingInputError):
        open_store(DATASET)


def test_folders_of_this_machine_are_not_shared(store, address, tmp_path):
    pushed(store, address)
    pulled(address, tmp_path / "copy.zarr")
    everything = b"".join(files_of(tmp_path / "copy.zarr").values())
    assert str(tmp_path).encode() not in everything


def test_what_is_there_is_not_sent_again(store, hub):
    hub.refuse_uploads_after = 2
    with pytest.raises(RunError, match="hub"):
        pushed(store, DATASET)
    assert "zarr.json" not in hub.files("datasets/ada/toy")
    hub.refuse_uploads_after = None
    hub.requests.clear()
    pushed(store, DATASET)
    sent = [path for method, path in hub.requests if method == "PUT"]
    assert len(sent) == len(hub.blobs) - 2


def test_an_interrupted_push_to_a_bucket_resumes(store, s3_bucket, monkeypatch, tmp_path):
    monkeypatch.setattr(places, "_NOTED_EVERY_FILES", 1)
    put, sent = RemoteObjects.put, []

    def stopped(self, key, parts):
        if len(sent) == 12:
            raise KeyboardInterrupt
        sent.append(key)
        put(self, key, parts)

    monkeypatch.setattr(RemoteObjects, "put", stopped)
    with pytest.raises(KeyboardInterrupt):
        pushed(store, f"{s3_bucket}/toy")
    before, sent[:] = {key for key in sent if key != places.PROGRESS}, []
    with pytest.raises(MissingInputError):
        pulled(f"{s3_bucket}/toy", tmp_path / "copy.zarr")
    monkeypatch.setattr(
        RemoteObjects, "put", lambda self, key, parts: (sent.append(key), put(self, key, parts))
    )
    pushed(store, f"{s3_bucket}/toy")
    assert len(before) > 3
    assert len(before & set(sent)) <= 1  # the one whose note was not written
    pulled(f"{s3_bucket}/toy", tmp_path / "copy.zarr")
    assert_same_rows(store, open_store(tmp_path / "copy.zarr"), [FEATURE])


def test_a_stopped_pull_keeps_what_it_has(store, address, monkeypatch, tmp_path):
    pushed(store, address)
    place = type(places.place_at(address))
    fetch, fetched = place.fetch, []

    def stopped(self, key, folder):
        if len(fetched) >= 5:
            raise KeyboardInterrupt
        fetched.append(key)
        fetch(self, key, folder)

    monkeypatch.setattr(place, "fetch", stopped)
    with pytest.raises(KeyboardInterrupt):
        pulled(address, tmp_path / "copy.zarr")
    assert not (tmp_path / "copy.zarr").exists()
    first, fetched[:] = set(fetched), []
    monkeypatch.setattr(
        place, "fetch", lambda self, key, to: (fetched.append(key), fetch(self, key, to))
    )
    pulled(address, tmp_path / "copy.zarr")
    assert not first & set(fetched)
    assert not (tmp_path / "copy.zarr.partial").exists()
    assert_same_rows(store, open_store(tmp_path / "copy.zarr"), [FEATURE])


def test_a_second_push_replaces_the_first(store, address, tmp_path):
    pushed(store, address)
    done = pushed(store, address, features=(FEATURE,))
    found = pulled(address, tmp_path / "copy.zarr")
    assert found.digest == done.digest
    assert open_store(tmp_path / "copy.zarr").features == [FEATURE]
    if not address.startswith("hf://"):
        assert places.place_at(address).read("whisper-tiny/layer-1/rows/zarr.json") is None


# Parts of stores


@pytest.mark.parametrize("by", ["push", "pull"])
def test_one_feature_goes_alone(store, address, tmp_path, by):
    some = {"features": (FEATURE,)}
    pushed(store, address, **(some if by == "push" else {}))
    pulled(address, tmp_path / "copy.zarr", **(some if by == "pull" else {}))
    copy = open_store(tmp_path / "copy.zarr", check=True)
    assert copy.features == [FEATURE]
    assert copy.pooled == [FEATURE]
    assert_same_rows(store, copy, [FEATURE])
    assert not verify_store(copy).damages
    assert not [name for name in files_of(tmp_path / "copy.zarr") if "layer-1" in name]


@pytest.mark.parametrize("by", ["push", "pull"])
def test_functionals_go_without_rows(store, address, tmp_path, by):
    some = {"functionals_only": True}
    pushed(store, address, **(some if by == "push" else {}))
    pulled(address, tmp_path / "copy.zarr", **(some if by == "pull" else {}))
    copy = open_store(tmp_path / "copy.zarr", check=True)
    assert copy.features == []
    assert copy.pooled == store.pooled
    for feature in store.pooled:
        assert copy.functionals(feature).equals(store.functionals(feature))
    assert not verify_store(copy).damages


def test_a_lookup_takes_its_token_ids_along(stores, tmp_path):
    fill(stores)
    store = open_store(stores.path)
    lookup = next(n for n in store.features if isinstance(store[n], LookupLayer))
    pushed(store, tmp_path / "shared", features=(lookup,))
    pulled(tmp_path / "shared", tmp_path / "copy.zarr")
    copy = open_store(tmp_path / "copy.zarr", check=True)
    assert copy.features == [lookup]
    assert_same_rows(store, copy, [lookup])


def test_an_unknown_feature_is_refused_by_both(store, tmp_path):
    with pytest.raises(SettingsError, match="layer-9"):
        pushed(store, tmp_path / "shared", features=("whisper-tiny/layer-9",))
    pushed(store, tmp_path / "shared")
    with pytest.raises(SettingsError, match="layer-9"):
        pulled(tmp_path / "shared", tmp_path / "copy.zarr", features=("whisper-tiny/layer-9",))
    assert not (tmp_path / "copy.zarr").exists()


# The card, the licence, the signature


def test_the_card_says_what_it_is_and_under_what_licence(store, tmp_path):
    pushed(store, tmp_path / "shared")
    card = (tmp_path / "shared" / "README.md").read_text()
    about = yaml.safe_load(card.split("---")[1])
    assert about["license"] == "cc0-1.0"
    assert "speech-emotion-recognition" in about["tags"]
    assert f"| `{FEATURE}` | speech |" in card
    assert "Burkhardt" in card
    assert "tokser pull shared emodb.zarr" in card
    assert "pip install 'tokser[train]'" in card


@pytest.mark.parametrize("dataset", ["iemocap", "msp-podcast", "ravdess-nd", "tess"])
def test_what_a_licence_forbids_is_refused(stores, tmp_path, dataset):
    store = stores.complete(dataset=dataset)
    with pytest.raises(SettingsError, match="licence") as refused:
        pushed(store, tmp_path / "shared")
    assert "--i-may-share" in str(refused.value)
    assert not (tmp_path / "shared").exists()
    pushed(store, tmp_path / "shared", i_may_share=True)


def test_a_stated_licence_does_not_replace_the_known_one(stores, tmp_path):
    store = stores.complete(dataset="iemocap")
    with pytest.raises(SettingsError, match="academic licence"):
        pushed(store, tmp_path / "shared", licence="CC0-1.0")


def test_an_own_corpus_states_its_licence(stores, tmp_path):
    store = stores.complete(dataset="our-own")
    pushed(store, tmp_path / "shared", licence="CC-BY-4.0")
    assert "license: cc-by-4.0" in (tmp_path / "shared" / "README.md").read_text()


@pytest.fixture
def ssh_key(tmp_path):
    """Return what makes an SSH key, and returns its path."""

    def make(name: str) -> Path:
        path = tmp_path / name
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
        subprocess.run(command, check=True)
        return path

    return make


def test_a_signature_is_checked_against_the_senders_key(store, address, ssh_key, tmp_path):
    key, other = ssh_key("ada"), ssh_key("eve")
    assert pushed(store, address, sign=key).is_signed
    found = pulled(address, tmp_path / "a.zarr", signed_by=key.with_suffix(".pub"))
    assert found.is_trusted
    assert found.signer.startswith("SHA256:")
    with pytest.raises(DamagedFileError, match="signature"):
        pulled(address, tmp_path / "b.zarr", signed_by=other.with_suffix(".pub"))
    unchecked = pulled(address, tmp_path / "c.zarr")
    assert unchecked.signer == found.signer
    assert not unchecked.is_trusted


def test_what_is_not_signed_is_not_trusted(store, ssh_key, tmp_path):
    key = ssh_key("ada")
    pushed(store, tmp_path / "shared")
    with pytest.raises(DamagedFileError, match="no signature"):
        pulled(tmp_path / "shared", tmp_path / "a.zarr", signed_by=key.with_suffix(".pub"))


def test_a_signature_does_not_outlive_its_index(store, ssh_key, tmp_path):
    key = ssh_key("ada")
    pushed(store, tmp_path / "shared", sign=key)
    pushed(store, tmp_path / "shared", features=(FEATURE,))
    assert not (tmp_path / "shared" / "SHA256SUMS.sig").exists()


# What goes wrong


def test_a_changed_file_is_noticed_and_nothing_shows(store, tmp_path):
    shared = tmp_path / "shared"
    pushed(store, shared)
    shard = shard_of(shared)
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    with pytest.raises(DamagedFileError, match="another"):
        pulled(shared, tmp_path / "copy.zarr")
    assert not (tmp_path / "copy.zarr").exists()


def test_a_changed_index_is_noticed(store, tmp_path):
    pushed(store, tmp_path / "shared")
    index = tmp_path / "shared" / "SHA256SUMS"
    index.write_bytes(index.read_bytes().replace(b"a", b"b"))
    with pytest.raises(DamagedFileError, match="SHA256SUMS"):
        pulled(tmp_path / "shared", tmp_path / "copy.zarr")


def test_a_damaged_store_is_not_shared(store, tmp_path):
    shard = shard_of(Path(store.path))
    content = bytearray(shard.read_bytes())
    content[10] ^= 1
    shard.write_bytes(content)
    with pytest.raises(DamagedFileError, match="repair"):
        pushed(store, tmp_path / "shared")
    assert not (tmp_path / "shared" / "SHA256SUMS").exists()


def test_a_foreign_store_is_not_overwritten(store, stores, tmp_path):
    shutil.copytree(store.path, tmp_path / "theirs.zarr")
    before = files_of(tmp_path / "theirs.zarr")
    with pytest.raises(StoreMismatchError, match="not pushed"):
        pushed(store, tmp_path / "theirs.zarr")
    assert files_of(tmp_path / "theirs.zarr") == before


def test_an_existing_target_is_not_touched(store, tmp_path):
    pushed(store, tmp_path / "shared")
    (tmp_path / "copy.zarr").mkdir()
    with pytest.raises(SettingsError, match="exists"):
        pulled(tmp_path / "shared", tmp_path / "copy.zarr")


def test_a_repository_cannot_be_extracted_into(store, hub):
    pushed(store, DATASET)
    with pytest.raises(SettingsError, match="tokser pull"):
        open_store(DATASET).backend.objects.put("zarr.json", [b""])


@pytest.mark.parametrize(
    "address", ["hf://ada", "hf://datasets/ada", "hf:/datasets/ada/toy", "hf://"]
)
def test_a_malformed_address_of_the_hub_is_refused(tmp_path, address):
    with pytest.raises(SettingsError):
        open_store(address)


def test_a_repository_that_is_not_there_says_how_to_log_in(hub):
    with pytest.raises(MissingInputError, match="hf auth login"):
        open_store("hf://datasets/ada/nothing")


def test_a_hub_that_does_not_answer_is_no_damage(hub, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(RunError, match="network"):
        open_store(DATASET)
