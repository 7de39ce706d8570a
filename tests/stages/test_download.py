import hashlib
import io
import json
import shutil
import socket
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from tokser.cli import main
from tokser.corpora.declared.read import read_declaration
from tokser.corpora.download.published import known_of
from tokser.corpora.registry import scan_corpus
from tokser.errors import CorpusError, InputError, RunError
from tokser.stages.download import download

REPOSITORY = Path(__file__).resolve().parents[2]
ROWS = (REPOSITORY / "data_manifests/emodb.csv").read_text().splitlines()[2:]
EMODB_IDS = [row.split(",")[0] for row in ROWS]


def tarred(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def zipped(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def split_archive(split, recordings):
    """One real LibriSpeech recording under several numbers, in the layout of the archives."""
    chapter = f"LibriSpeech/{split}/84/121123"
    members = {"LibriSpeech/README.TXT": b"read me", "LibriSpeech/SPEAKERS.TXT": b"84 | F | x"}
    members |= {f"{chapter}/84-121123-{i:04d}.flac": data for i, data in enumerate(recordings)}
    return tarred(members)


@pytest.fixture
def published(loopback, tmp_path, monkeypatch):
    """A LibriSpeech of two splits and an EmoDB on the server, known as the real ones are."""
    folder = tmp_path / "known"
    folder.mkdir()
    known = known_of("librispeech") | {"splits": {}}
    for split in ("dev-clean", "dev-other"):
        content = split_archive(split, [f"{split}{i}".encode() * 9_000 for i in range(3)])
        loopback.files[f"{split}.tar.gz"] = content
        known["splits"][split] = {
            "url": f"{loopback.url}/{split}.tar.gz",
            "sha256": hashlib.sha256(content).hexdigest(),
            "num_bytes": len(content),
            "num_utterances": 3,
        }
    loopback.files["download.zip"] = zipped(
        {f"wav/{name}.wav": name.encode() for name in EMODB_IDS}
        | {"erkennung.txt": b"Nr.", "lablaut/03a01Fa.lablaut": b"x"}
    )
    emodb = known_of("emodb") | {"url": f"{loopback.url}/download.zip"}
    (folder / "librispeech.yaml").write_text(yaml.safe_dump(known))
    (folder / "emodb.yaml").write_text(yaml.safe_dump(emodb))

    def known_here(_, name):
        here = folder / name
        return here if here.is_file() else REPOSITORY / "data_manifests" / name

    for module in ("download.published", "declared.counts"):
        monkeypatch.setattr(f"tokser.corpora.{module}.shipped_file", known_here)
    monkeypatch.setattr(
        "tokser.corpora.completeness.known_declaration",
        lambda name: read_declaration(known_here("data_manifests", f"{name}.yaml")),
    )
    return loopback


@pytest.fixture
def root(tmp_path):
    return tmp_path / "corpora" / "LibriSpeech"


def names_under(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


@pytest.mark.slow
def test_splits_come_into_the_corpus_s_own_folder(published, root):
    published.stop_after = 500
    published.faults = ["drop", "no ranges", "drop", ""]
    done = download("librispeech", root, splits=["dev-clean", "dev-other"])
    assert (done.fetched, done.kept, done.incomplete) == (("dev-clean", "dev-other"), (), {})
    assert names_under(root) == [
        "README.TXT",
        "SPEAKERS.TXT",
        *(
            f"{split}/{name}"
            for split in ("dev-clean", "dev-other")
            for name in (
                ".downloaded.json",
                *(f"84/121123/84-121123-{i:04d}.flac" for i in range(3)),
            )
        ),
    ]
    recording = root / "dev-other/84/121123/84-121123-0002.flac"
    assert recording.read_bytes() == b"dev-other2" * 9_000
    origin = json.loads((root / "dev-clean/.downloaded.json").read_text())
    assert origin["url"] == f"{published.url}/dev-clean.tar.gz"
    assert origin["checksum"].startswith("sha256:")


def test_what_is_there_is_neither_fetched_nor_asked_for(published, root):
    download("librispeech", root, splits=["dev-clean"])
    published.requests.clear()
    done = download("librispeech", root, splits=["dev-clean"])
    assert (done.fetched, done.kept) == ((), ("dev-clean",))
    done = download("librispeech", root, splits=["dev-clean", "dev-other"])
    assert (done.fetched, done.kept) == (("dev-other",), ("dev-clean",))
    assert {name for name, _ in published.requests} == {"dev-other.tar.gz"}


def test_a_corpus_in_a_folder_of_its_name_is_completed(published, tmp_path):
    inner = tmp_path / "data" / "LibriSpeech"
    download("librispeech", inner, splits=["dev-clean"])
    download("librispeech", tmp_path / "data", splits=["dev-clean", "dev-other"])
    assert (inner / "dev-other").is_dir()
    assert not (tmp_path / "data" / "dev-other").exists()


def test_a_split_that_somebody_unpacked_is_counted_and_kept(published, root):
    with tarfile.open(fileobj=io.BytesIO(published.files["dev-clean.tar.gz"])) as file:
        file.extractall(root.parent, filter="data")
    assert download("librispeech", root, splits=["dev-clean"]).kept == ("dev-clean",)
    (root / "dev-clean/84/121123/84-121123-0001.flac").unlink()
    before = names_under(root)
    with pytest.raises(
        CorpusError, match=r"got dev-clean: 2 of 3 recordings\. Move the incomplete ones"
    ):
        download("librispeech", root, splits=["dev-clean", "dev-other"])
    done = download("librispeech", root, splits=["dev-clean"], only_missing=True)
    assert done.incomplete == {"dev-clean": "dev-clean: 2 of 3 recordings"}
    assert names_under(root) == before
    assert published.requests == []


def test_emodb_comes_whole(published, tmp_path):
    root = tmp_path / "emodb"
    assert download("emodb", root).fetched == ("emodb",)
    assert sorted(path.name for path in root.iterdir()) == ["erkennung.txt", "lablaut", "wav"]
    assert len(list((root / "wav").glob("*.wav"))) == 535
    assert json.loads((root / "wav/.downloaded.json").read_text())["checksum"] == "none published"
    assert download("emodb", root).kept == ("emodb",)


def test_an_emodb_that_is_not_whole_never_gets_its_place(published, tmp_path):
    whole = published.files["download.zip"]
    root = tmp_path / "emodb"
    published.files["download.zip"] = zipped({"wav/03a01Fa.wav": b"x", "erkennung.txt": b""})
    with pytest.raises(CorpusError, match=r"expected 535 recordings of emodb, got 534 of 535"):
        download("emodb", root)
    assert names_under(root) == []
    published.files["download.zip"] = whole
    assert download("emodb", root).fetched == ("emodb",)


@pytest.mark.parametrize(
    "content", [b"<html>log in</html>", zipped({"../../evil": b"x"}), zipped({"other/a": b"x"})]
)
def test_an_archive_that_is_none_or_evil_leaves_nothing(published, tmp_path, content):
    published.files["download.zip"] = content
    with pytest.raises(CorpusError):
        download("emodb", tmp_path / "deep" / "emodb")
    assert names_under(tmp_path / "deep") == []
    assert not (tmp_path / "evil").exists()


def test_files_that_are_there_are_never_replaced(published, root):
    root.mkdir(parents=True)
    (root / "README.TXT").write_text("mine")
    download("librispeech", root, splits=["dev-clean"])
    assert (root / "README.TXT").read_text() == "mine"


def test_a_corrupted_archive_is_removed_and_fetched_again(published, root):
    good = published.files["dev-clean.tar.gz"]
    published.files["dev-clean.tar.gz"] = good[:50] + bytes([good[50] ^ 1]) + good[51:]
    with pytest.raises(RunError, match=r"expected sha256 .*the file was removed"):
        download("librispeech", root, splits=["dev-clean"])
    assert names_under(root) == []
    published.files["dev-clean.tar.gz"] = good
    assert download("librispeech", root, splits=["dev-clean"]).fetched == ("dev-clean",)


def test_what_a_killed_process_left_while_unpacking_is_swept_up(published, root):
    half = root / ".download" / "dev-clean.unpacked" / "LibriSpeech" / "dev-clean"
    half.mkdir(parents=True)
    (half / "half.flac").write_text("half")
    (root / ".download" / "dev-clean.tar.gz").write_bytes(published.files["dev-clean.tar.gz"])
    assert download("librispeech", root, splits=["dev-clean"]).fetched == ("dev-clean",)
    assert published.requests == []
    assert not (root / ".download").exists()


def test_a_crash_between_the_renames_is_mended_by_the_next_call(published, root, monkeypatch):
    rename = Path.rename

    def crash(self, target):
        if self.name == "dev-clean":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", crash)
    with pytest.raises(KeyboardInterrupt):
        download("librispeech", root, splits=["dev-clean"])
    assert not (root / "dev-clean").exists()
    assert (root / ".download" / "dev-clean.tar.gz").is_file()
    monkeypatch.setattr(Path, "rename", rename)
    published.requests.clear()
    assert download("librispeech", root, splits=["dev-clean"]).fetched == ("dev-clean",)
    assert published.requests == []


def test_archives_are_kept_on_request(published, root):
    download("librispeech", root, splits=["dev-clean"], keep_archives=True)
    assert names_under(root / ".download") == ["dev-clean.tar.gz"]


def test_a_disk_without_room_is_told_before_anything_is_fetched(published, root, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10_000))
    with pytest.raises(InputError, match=r"GB of free disk for archives .*nothing was fetched"):
        download("emodb", root)
    assert published.requests == []
    assert not root.exists()


def test_another_process_at_the_same_archive_is_told(published, root):
    from filelock import FileLock

    (root / ".download").mkdir(parents=True)
    with (
        FileLock(root / ".download" / "dev-clean.lock"),
        pytest.raises(RunError, match="no other process downloading dev-clean"),
    ):
        download("librispeech", root, splits=["dev-clean"])


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_command_takes_splits_in_every_way(published, root):
    result = run("download", "librispeech", "--root", root, "--splits", "dev-clean, dev-other")
    assert result.exit_code == 0
    assert "dev-clean: fetched" in result.stdout
    again = run(
        *("download", "librispeech", "--root", root, "--split", "dev-clean", "--split", "dev-other")
    )
    assert again.stdout == "dev-clean: there\ndev-other: there\n"


def test_the_command_says_what_is_incomplete(published, root):
    run("download", "librispeech", "--root", root, "--split", "dev-clean")
    (root / "dev-clean/.downloaded.json").unlink()
    next((root / "dev-clean").rglob("*.flac")).unlink()
    arguments = ("download", "librispeech", "--root", root, "--split", "dev-clean")
    assert run(*arguments).exit_code == 2
    result = run(*arguments, "--only-missing")
    assert result.exit_code == 0
    assert "used as it is, incomplete (dev-clean: 2 of 3 recordings)" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["iemocap"], 2, "sail.usc.edu"),
        (["librispeech"], 2, "dev-clean (0.0 GB)"),
        (["librispeech", "--split", "dev-cleen"], 2, "dev-cleen"),
        (["librispeech", "--split", "dev-clean", "--mirror", "http://127.0.0.1:9"], 1, "network"),
    ],
)
def test_what_cannot_be_fetched_is_told(published, tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tokser.corpora.download.transfer.time.sleep", lambda _: None)
    result = run("download", *arguments)
    assert result.exit_code == code
    assert message in result.output


def test_real_recordings_are_used_as_they_are_without_a_network(real_data, monkeypatch):
    """What `make extract-librispeech` asks first, on a folder that may be read only."""

    def no_network(*_, **__):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setattr(socket.socket, "connect", no_network)
    root = real_data / "data" / "LibriSpeech"
    before = names_under(root)
    splits = sorted(set(scan_corpus("librispeech", root).table["split"]))
    done = download("librispeech", root, splits=splits, only_missing=True)
    assert done.kept == tuple(splits)
    assert names_under(root) == before
