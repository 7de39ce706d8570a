import errno
import json
import os

import pytest

from tokser.errors import RunError, SettingsError
from tokser.provenance import Stamp, digest_of, versions, write_atomically


def test_a_digest_does_not_depend_on_key_order():
    assert digest_of({"a": 1, "b": [2]}) == digest_of({"b": [2], "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 2})


def test_a_stamp_marks_only_what_the_same_call_made(tmp_path):
    stamp = Stamp("pool", {"epochs": 3, "out": tmp_path}, {"feature": "abc"})
    assert not stamp.marks(tmp_path)
    stamp.write(tmp_path)
    assert stamp.marks(tmp_path)
    assert not Stamp("pool", {"epochs": 4, "out": tmp_path}, {"feature": "abc"}).marks(tmp_path)
    assert not Stamp("pool", {"epochs": 3, "out": tmp_path}, {"feature": "xyz"}).marks(tmp_path)
    assert json.loads((tmp_path / "provenance.json").read_text())["versions"] == versions()


def test_renamed_values_of_settings_leave_the_digest_as_it_was(tmp_path):
    former = Stamp("classify", {"protocols": ["report", "speaker"], "features": ["report"]}, {})
    stamp = Stamp("classify", {"protocols": ("random", "speaker"), "features": ["report"]}, {})
    former.write(tmp_path)
    assert stamp.marks(tmp_path)
    assert stamp.content["settings"]["protocols"] == ("random", "speaker")
    other = Stamp("classify", {"protocols": ["random", "speaker"], "features": ["random"]}, {})
    with pytest.raises(SettingsError), other.claim(tmp_path):
        pass


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "scores.csv"
    write_atomically(file, b"old")
    monkeypatch.setattr("os.fsync", lambda descriptor: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_atomically(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_that_another_process_works_in_is_refused(tmp_path):
    stamp = Stamp("pretrain", {"epochs": 3}, {})
    with (
        stamp.claim(tmp_path / "run"),
        pytest.raises(RunError, match="no other pretrain that writes there"),
        Stamp("pretrain", {"epochs": 3}, {}).claim(tmp_path / "run"),
    ):
        pass
    with stamp.claim(tmp_path / "run"):
        pass
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_a_disk_without_file_locks_is_refused(tmp_path, monkeypatch):
    def no_locks(fd):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("filelock._unix.lock_fd_nonblocking", no_locks)
    stamp = Stamp("pretrain", {}, {})
    with (
        pytest.raises(RunError, match=r"run\.lock: expected a disk with file locks, got.*--out"),
        stamp.claim(tmp_path / "run"),
    ):
        pass
    assert not (tmp_path / "run").exists()


def test_a_folder_begun_otherwise_is_refused_naming_what_differs(tmp_path):
    with Stamp("pretrain", {"epochs": 3, "seed": 0}, {"text": "abc"}).claim(tmp_path / "run"):
        pass
    other = Stamp("pretrain", {"epochs": 4, "seed": 0}, {"text": "xyz"})
    with (
        pytest.raises(SettingsError, match=r"epochs 3, now 4; text abc, now xyz"),
        other.claim(tmp_path / "run"),
    ):
        pass
