import gzip
import io
import stat
import tarfile
import zipfile
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokser.corpora.download.archive import fault_of_name, unpack
from tokser.errors import CorpusError

GOOD = {"wav/a.wav": b"a" * 3_000_000, "wav/deep/b.wav": b"", "notes.txt": "ä".encode()}


def tar(path, members, *, links=(), kind=None):
    with tarfile.open(path, "w:gz") as file:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o777
            file.addfile(member, io.BytesIO(content))
        for name, target in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            file.addfile(member)
    return path


def zipped(path, members, *, modes=None):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = (modes or {}).get(name, 0) << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(member, content)
    return path


MAKE = {".tar.gz": tar, ".zip": zipped}


@pytest.fixture(params=MAKE)
def make(request, tmp_path):
    return lambda members: MAKE[request.param](tmp_path / f"x{request.param}", members)


def files_in(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def refused(archive, folder):
    """What the error says, after a look that nothing was left anywhere."""
    before = files_in(folder.parents[1])
    with pytest.raises(CorpusError) as caught:
        unpack(archive, folder)
    assert not folder.exists()
    assert files_in(folder.parents[1]) == before
    return caught.value.got


def test_what_is_in_the_archive_comes_out(make, tmp_path):
    folder = tmp_path / "new" / "folder"
    unpack(make(GOOD), folder)
    assert files_in(folder) == GOOD
    assert not any(path.stat().st_mode & stat.S_IXUSR for path in folder.rglob("*.wav"))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../evil.wav", "a path out of the folder"),
        ("wav/../../evil.wav", "a path out of the folder"),
        ("/tmp/evil.wav", "an absolute path"),
        ("C:/evil.wav", "an absolute path"),
        ("..\\evil.wav", "not a file name"),
    ],
)
def test_names_that_lead_out_of_the_folder_are_refused(make, tmp_path, name, why):
    got = refused(make({**GOOD, name: b"evil"}), tmp_path / "new" / "folder")
    assert got == f"{name!r}: {why}"


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (tarfile.SYMTYPE, "a link to '/etc'"),
        (tarfile.LNKTYPE, "a link to '/etc'"),
        (tarfile.CHRTYPE, "a device or pipe"),
        (tarfile.FIFOTYPE, "a device or pipe"),
    ],
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind, why):
    archive = tar(tmp_path / "x.tar.gz", GOOD, links=[("wav2", "/etc")], kind=kind)
    assert refused(archive, tmp_path / "new" / "folder") == f"'wav2': {why}"


def test_a_link_is_not_followed_by_what_comes_after_it(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    archive = tmp_path / "x.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        link = tarfile.TarInfo("wav")
        link.type, link.linkname = tarfile.SYMTYPE, str(outside)
        file.addfile(link)
        member = tarfile.TarInfo("wav/evil.wav")
        member.size = 4
        file.addfile(member, io.BytesIO(b"evil"))
    refused(archive, tmp_path / "new" / "folder")
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize(
    ("mode", "why"), [(stat.S_IFLNK, "a link"), (stat.S_IFIFO, "a device or pipe")]
)
def test_links_and_devices_in_a_zip_are_refused(tmp_path, mode, why):
    modes = {"wav2": mode | 0o777}
    archive = zipped(tmp_path / "x.zip", {**GOOD, "wav2": b"/etc"}, modes=modes)
    assert refused(archive, tmp_path / "new" / "folder") == f"'wav2': {why}"


def test_all_refused_members_are_named_at_once(make, tmp_path):
    got = refused(make({**GOOD, "../a": b"", "/b": b""}), tmp_path / "new" / "folder")
    assert got == "'../a': a path out of the folder, '/b': an absolute path"


@pytest.mark.filterwarnings("ignore:Duplicate name")  # zipfile's, about the test's own archive
def test_a_member_that_comes_twice_is_refused(tmp_path):
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.wav", b"1")
        file.writestr("a.wav", b"2")
        file.writestr("a.wav/b.wav", b"3")
    got = refused(archive, tmp_path / "new" / "folder")
    assert got == "'a.wav': twice, 'a.wav/b.wav': twice"


def test_an_encrypted_member_is_refused(tmp_path):
    content = bytearray(zipped(tmp_path / "x.zip", {"a.wav": b"x"}).read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "x.zip").write_bytes(content)
    assert refused(tmp_path / "x.zip", tmp_path / "new" / "folder") == "'a.wav': encrypted"


def test_what_swells_to_fill_the_disk_is_stopped(make, tmp_path, monkeypatch):
    monkeypatch.setattr("tokser.corpora.download.archive._SLACK_BYTES", 10_000)
    got = refused(make({"bomb": bytes(20_000_000)}), tmp_path / "new" / "folder")
    assert got == "'bomb': more than 20 times the archive"


@pytest.mark.parametrize("keep", [0, 1, 100, 500, -10, -1])
def test_an_archive_that_ends_early_is_called_damaged(make, tmp_path, keep):
    archive = make({f"{i}.wav": bytes([i]) * 1000 for i in range(50)})
    archive.write_bytes(archive.read_bytes()[:keep])
    assert "cannot be read" in refused(archive, tmp_path / "new" / "folder")


def test_a_flipped_bit_is_noticed_wherever_it_is(make, tmp_path):
    archive = make({f"{i}.wav": bytes([i, 255 - i]) * 500 for i in range(5)})
    content = archive.read_bytes()
    noticed = 0
    for position in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[position] ^= 0x10
        archive.write_bytes(damaged)
        folder = tmp_path / f"folder{position}"
        try:
            unpack(archive, folder)
        except CorpusError:
            noticed += 1
            continue
        # What passes: dates, modes, names of a member; never what is in the recordings.
        assert sorted(files_in(folder).values()) == sorted(
            bytes([i, 255 - i]) * 500 for i in range(5)
        )
    assert noticed > 0


def test_a_page_instead_of_an_archive_is_called_damaged(tmp_path):
    for name in ("x.zip", "x.tar.gz"):
        (tmp_path / name).write_bytes(b"<html>Please log in to the WiFi</html>" * 100)
        assert "cannot be read" in refused(tmp_path / name, tmp_path / "new" / "folder")


def test_plain_bytes_behind_a_gzip_header_are_called_damaged(tmp_path):
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(b"no tar at all" * 1000))
    assert "cannot be read" in refused(tmp_path / "x.tar.gz", tmp_path / "new" / "folder")


def test_a_folder_that_is_there_is_left_alone(make, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "precious").touch()
    with pytest.raises(FileExistsError):
        unpack(make(GOOD), tmp_path / "folder")
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["precious"]


@given(st.text(alphabet=["a", ".", "/", "\\", ":", "C", "\0"], max_size=12))
def test_a_name_without_a_fault_stays_within(name):
    if fault_of_name(name) == "":
        parts = PurePosixPath("/folder").joinpath(*PurePosixPath(name).parts).parts
        assert parts[:2] == ("/", "folder")
        assert ".." not in parts
