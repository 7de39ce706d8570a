import shutil
import subprocess

import pytest

from tokser.errors import DamagedFileError, InputError
from tokser.sealed import INDEX, SealedFolder


@pytest.fixture
def sealed(tmp_path):
    folder = SealedFolder(tmp_path / "results")
    folder.begin("abc")
    folder.put({"summary.csv": b"uar\n0.5\n", "parts/größe 1.parquet": b"PAR1"})
    return folder


def test_what_was_written_is_whole_and_sha256sum_agrees(sealed):
    assert sealed.made_of == "abc"
    assert sealed.listed() == ["parts/größe 1.parquet", "summary.csv"]
    assert not sealed.faults()
    command = ["sha256sum", "--check", "--strict", INDEX]
    assert (
        subprocess.run(command, cwd=sealed.folder, capture_output=True, check=False).returncode == 0
    )


def test_a_moved_copy_is_complete_and_other_files_are_ignored(sealed, tmp_path):
    copy = SealedFolder(tmp_path / "elsewhere" / "copy")
    shutil.copytree(sealed.folder, copy.folder)
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
def test_damage_is_named(sealed, damage, fault):
    file = sealed.folder / "summary.csv"
    damage(file)
    assert list(sealed.faults()) == ["summary.csv"]
    with pytest.raises(DamagedFileError, match=rf"summary\.csv: expected .*{fault}.*\. Do this\."):
        sealed.require_whole("summary.csv", "Do this.")
    sealed.put({"summary.csv": b"uar\n0.5\n"})  # also where an empty folder is in the way
    assert not sealed.faults()


def test_any_changed_byte_of_the_index_is_noticed(sealed):
    index = sealed.folder / INDEX
    whole = index.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1
        index.write_bytes(changed)
        assert not sealed.is_whole("summary.csv"), place
        assert sealed.made_of == ""
    index.write_bytes(whole[:-1])
    with pytest.raises(DamagedFileError, match=r"SHA256SUMS: expected the digests"):
        sealed.listed()


def test_an_index_that_is_gone_is_noticed_where_it_was_announced(sealed):
    sealed.put({"begun.json": f'{{"checksums": "{INDEX}"}}'.encode()})
    (sealed.folder / INDEX).unlink()
    assert sealed.is_sealed
    with pytest.raises(DamagedFileError, match="SHA256SUMS"):
        sealed.require_whole("summary.csv", "")


def test_a_folder_of_an_earlier_version_is_not_sealed_and_read(tmp_path):
    (tmp_path / "summary.csv").write_text("uar\n")
    folder = SealedFolder(tmp_path)
    assert not folder.is_sealed
    folder.require_whole("summary.csv", "")


def test_a_folder_with_things_in_it_is_left_alone(sealed):
    (sealed.folder / "summary.csv").unlink()
    (sealed.folder / "summary.csv").mkdir()
    (sealed.folder / "summary.csv" / "mine").write_text("")
    with pytest.raises(InputError, match="a folder with other things in it"):
        sealed.put({"summary.csv": b""})


@pytest.mark.parametrize("written", range(5))
def test_killed_between_any_two_writes_every_file_is_whole(sealed, monkeypatch, written):
    """Of files that take the place of others, either content counts."""
    left = iter(range(written))
    real = SealedFolder.__init__.__globals__["write_atomically"]

    def write(path, content):
        if next(left, None) is None:
            raise KeyboardInterrupt
        real(path, content)

    monkeypatch.setattr("tokser.sealed.write_atomically", write)
    new = {"summary.csv": b"uar\n0.7\n", "classes.csv": b"new\n"}
    stopped = False
    try:
        sealed.put(new)
    except KeyboardInterrupt:
        stopped = True
    assert stopped == (written < 4)
    assert not sealed.faults()
    assert ("classes.csv" in sealed.listed()) == (not stopped)
    monkeypatch.undo()
    sealed.put(new)
    assert sealed.digest("summary.csv") is not None


def test_moved_files_take_the_place_of_others(sealed):
    last, new = sealed.folder / "last.ckpt", sealed.folder / "partial"
    sealed.put({"last.ckpt": b"1"})
    new.write_bytes(b"2")
    sealed.move({"before-last.ckpt": last, "last.ckpt": new})
    assert not sealed.faults()
    assert (sealed.folder / "before-last.ckpt").read_bytes() == b"1"
    assert last.read_bytes() == b"2"


def test_dropped_files_are_gone_and_forgotten(sealed):
    sealed.drop("summary.csv", "never there")
    assert sealed.listed() == ["parts/größe 1.parquet"]
    assert not (sealed.folder / "summary.csv").exists()
