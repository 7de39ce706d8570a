import shutil
import subprocess

import pytest

from tokser.checksummed_folder import INDEX, ChecksummedFolder
from tokser.errors import DamagedFileError, InputError


@pytest.fixture
def checksummed(tmp_path):
    folder = ChecksummedFolder(tmp_path / "results")
    folder.begin("abc")
    folder.put({"summary.csv": b"uar\n0.5\n", "parts/größe 1.parquet": b"PAR1"})
    return folder


def test_what_was_written_is_whole_and_sha256sum_agrees(checksummed):
    assert checksummed.made_of == "abc"
    assert checksummed.listed() == ["parts/größe 1.parquet", "summary.csv"]
    assert not checksummed.faults()
    command = ["sha256sum", "--check", "--strict", INDEX]
    assert (
        subprocess.run(command, cwd=checksummed.folder, capture_output=True, check=False).returncode
        == 0
    )


def test_a_moved_copy_is_complete_and_other_files_are_ignored(checksummed, tmp_path):
    copy = ChecksummedFolder(tmp_path / "elsewhere" / "copy")
    shutil.copytree(checksummed.folder, copy.folder)
    (copy.folder / "notes.txt").write_text("mine")
    assert not copy.faults()
    assert copy.made_of == "abc"


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda path: path.write_bytes(b"uar\n0.6\n"), "has another digest"),
        (lambda path: path.write_bytes(b""), "has another digest"),
        (lambda path: path.unlink(), "is gone"),
        (lambda path: (path.unlink(), path.mkdir()), "is a folder"),
    ],
)
def test_damage_is_named(checksummed, damage, fault):
    file = checksummed.folder / "summary.csv"
    damage(file)
    assert list(checksummed.faults()) == ["summary.csv"]
    with pytest.raises(DamagedFileError, match=rf"summary\.csv: expected .*{fault}.*\. Do this\."):
        checksummed.require_whole("summary.csv", "Do this.")
    checksummed.put({"summary.csv": b"uar\n0.5\n"})  # also where an empty folder is in the way
    assert not checksummed.faults()


def test_any_changed_byte_of_the_index_is_noticed(checksummed):
    index = checksummed.folder / INDEX
    whole = index.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1
        index.write_bytes(changed)
        assert not checksummed.is_whole("summary.csv"), place
        assert checksummed.made_of == ""
    index.write_bytes(whole[:-1])
    with pytest.raises(DamagedFileError, match=r"SHA256SUMS: expected the digests"):
        checksummed.listed()


def test_an_index_that_is_gone_is_noticed_where_it_was_announced(checksummed):
    checksummed.put({"begun.json": f'{{"checksums": "{INDEX}"}}'.encode()})
    (checksummed.folder / INDEX).unlink()
    assert checksummed.has_checksums
    with pytest.raises(DamagedFileError, match="SHA256SUMS"):
        checksummed.require_whole("summary.csv", "")


def test_a_folder_of_an_earlier_version_is_not_sealed_and_read(tmp_path):
    (tmp_path / "summary.csv").write_text("uar\n")
    folder = ChecksummedFolder(tmp_path)
    assert not folder.has_checksums
    folder.require_whole("summary.csv", "")


def test_a_folder_with_things_in_it_is_left_alone(checksummed):
    (checksummed.folder / "summary.csv").unlink()
    (checksummed.folder / "summary.csv").mkdir()
    (checksummed.folder / "summary.csv" / "mine").write_text("")
    with pytest.raises(InputError, match="a folder with other things in it"):
        checksummed.put({"summary.csv": b""})


@pytest.mark.parametrize("written", range(5))
def test_killed_between_any_two_writes_every_file_is_whole(checksummed, monkeypatch, written):
    """Of files that take the place of others, either content counts."""
    left = iter(range(written))
    real = ChecksummedFolder.__init__.__globals__["write_atomically"]

    def write(path, content):
        if next(left, None) is None:
            raise KeyboardInterrupt
        real(path, content)

    monkeypatch.setattr("tokser.checksummed_folder.write_atomically", write)
    new = {"summary.csv": b"uar\n0.7\n", "classes.csv": b"new\n"}
    stopped = False
    try:
        checksummed.put(new)
    except KeyboardInterrupt:
        stopped = True
    assert stopped == (written < 4)
    assert not checksummed.faults()
    assert ("classes.csv" in checksummed.listed()) == (not stopped)
    monkeypatch.undo()
    checksummed.put(new)
    assert checksummed.digest("summary.csv") is not None


def test_moved_files_take_the_place_of_others(checksummed):
    last, new = checksummed.folder / "last.ckpt", checksummed.folder / "partial"
    checksummed.put({"last.ckpt": b"1"})
    new.write_bytes(b"2")
    checksummed.move({"before-last.ckpt": last, "last.ckpt": new})
    assert not checksummed.faults()
    assert (checksummed.folder / "before-last.ckpt").read_bytes() == b"1"
    assert last.read_bytes() == b"2"


def test_dropped_files_are_gone_and_forgotten(checksummed):
    checksummed.drop("summary.csv", "never there")
    assert checksummed.listed() == ["parts/größe 1.parquet"]
    assert not (checksummed.folder / "summary.csv").exists()
