import hashlib
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tokser.corpora.download.transfer import Patience, check, fetch, partial_of
from tokser.errors import RunError

CONTENT = np.random.default_rng(0).bytes(3_000_000)
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
HURRIED = Patience(attempts=3, wait_s=0.01, longest_wait_s=0.02, connect_s=5, silence_s=0.5)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "archive.tar.gz"


@pytest.fixture
def bring(loopback, path):
    loopback.files["archive.tar.gz"] = CONTENT
    loopback.stop_after = 1_000_000

    def run(*, checksum=SHA256):
        url = f"{loopback.url}/mirror/archive.tar.gz"
        fetch(url, path, num_bytes=len(CONTENT), checksum=checksum, patience=HURRIED)
        assert list(path.parent.iterdir()) == [path]
        return path.read_bytes()

    return run


@pytest.mark.parametrize("checksum", [SHA256, f"md5:{hashlib.md5(CONTENT).hexdigest()}", ""])
@pytest.mark.parametrize(
    "faults",
    [
        [],
        ["drop", "drop", "drop"],
        ["drop", "500", "503", "drop"],
        ["drop", "no ranges"],
        ["drop", "no ranges, drop", "drop", ""],
        ["stall", "stall"],
        ["drop", "other place", ""],
        ["429", "408", ""],
    ],
    ids=" then ".join,
)
def test_a_file_is_complete_after_any_broken_connections(loopback, bring, faults, checksum):
    loopback.faults = list(faults)
    assert bring(checksum=checksum) == CONTENT
    assert loopback.faults == []


def test_no_byte_is_fetched_twice(loopback, bring):
    loopback.faults = ["drop", "drop"]
    bring()
    assert [asked for _, asked in loopback.requests] == ["", "bytes=1000000-", "bytes=2000000-"]


@pytest.mark.parametrize("lie", ["says more", "says less"])
def test_a_server_that_lies_about_the_length_is_not_believed(loopback, bring, lie):
    loopback.always = lie
    assert bring() == CONTENT


def test_without_a_checksum_a_stated_length_must_be_kept(loopback, bring, path):
    loopback.always = "says more"
    assert bring(checksum="") == CONTENT  # the answer to the second request tells the true size
    assert loopback.requests[-1][1] == f"bytes={len(CONTENT)}-"


@pytest.mark.parametrize("status", ["403", "404", "410"])
def test_a_refusal_is_told_at_once(loopback, bring, path, status):
    loopback.faults = ["drop", status]
    with pytest.raises(RunError, match=rf"expected the archive, got HTTP {status}.*--mirror"):
        bring()
    assert partial_of(path).stat().st_size == 1_000_000
    assert len(loopback.requests) == 2


def test_a_broken_server_is_given_up_and_bytes_are_kept(loopback, bring, path):
    loopback.faults, loopback.always = ["drop"], "500"
    with pytest.raises(RunError, match=r"HTTP 500 .*3 times; 1,000,000 bytes are kept\. Check the"):
        bring()
    assert len(loopback.requests) == 1 + HURRIED.attempts
    loopback.always = ""
    assert bring() == CONTENT
    assert loopback.requests[-1][1] == "bytes=1000000-"


def test_a_server_that_drops_and_ignores_ranges_is_given_up(loopback, bring, monkeypatch):
    honest = loopback.answer
    monkeypatch.setattr(
        loopback, "answer", lambda h, name, asked, fault: honest(h, name, "", fault)
    )
    loopback.always = "drop"
    with pytest.raises(RunError, match=r"the connection ended after 1,000,000|IncompleteRead"):
        bring()
    assert len(loopback.requests) == 1 + HURRIED.attempts


def test_nobody_at_the_address_is_told_with_the_reason(path):
    with pytest.raises(RunError, match=r"refused.*Check the network \(and HTTPS_PROXY\)"):
        fetch("http://127.0.0.1:9/x", path, num_bytes=10, checksum=SHA256, patience=HURRIED)


def test_an_address_that_is_none_is_told(path):
    with pytest.raises(RunError, match="expected an address that answers"):
        fetch("nonsense://x", path, num_bytes=10, checksum=SHA256, patience=HURRIED)


def test_another_file_of_the_same_size_is_refused_and_not_kept(loopback, bring, path):
    loopback.files["archive.tar.gz"] = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    with pytest.raises(RunError, match=r"expected sha256 .*the file was removed\. Run the same"):
        bring()
    assert not path.exists()
    assert not partial_of(path).exists()


@pytest.mark.parametrize("other", [CONTENT + b"x", CONTENT[:-100]], ids=["longer", "shorter"])
def test_a_file_of_another_size_is_refused(loopback, bring, path, other):
    loopback.files["archive.tar.gz"] = other
    with pytest.raises(RunError, match="expected a file of 3,000,000 bytes, got "):
        bring()
    assert not path.exists()


def test_a_partial_of_another_version_is_not_continued(loopback, bring, path):
    # If-Range is what asks the server; this server tells the version and leaves the rest to us.
    loopback.faults = ["drop", "500", "500", "500"]
    with pytest.raises(RunError):
        bring(checksum="")
    loopback.files["archive.tar.gz"] = CONTENT[::-1]
    loopback.faults = ["no ranges"]  # what a server does when If-Range does not match
    assert bring(checksum="") == CONTENT[::-1]


def test_a_partial_that_is_too_long_is_fetched_again(bring, path):
    partial_of(path).write_bytes(CONTENT + b"more")
    assert bring() == CONTENT


def test_a_file_from_elsewhere_is_checked_and_used(loopback, bring, path):
    path.write_bytes(CONTENT)
    assert bring() == CONTENT
    assert loopback.requests == []
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(RunError, match="the file was removed"):
        bring()


def test_a_check_without_a_checksum_passes(path):
    path.write_bytes(b"x")
    check(path, "")
    assert path.exists()


def test_a_full_disk_is_no_broken_connection(loopback, bring, monkeypatch, path):
    real = type(path).open

    def full(self, mode="r", *arguments, **named):
        file = real(self, mode, *arguments, **named)
        if mode == "ab":
            file.close()
            return real(type(path)("/dev/full"), "ab", buffering=0)
        return file

    monkeypatch.setattr(type(path), "open", full)
    with pytest.raises(OSError, match="No space left"):
        bring()
    assert len(loopback.requests) == 1


FETCH = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored below a shell's `command &`
from pathlib import Path
from tokser.corpora.download.transfer import fetch
url, path, num_bytes, checksum = sys.argv[1:]
fetch(url, Path(path), num_bytes=int(num_bytes), checksum=checksum)
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_process_keeps_its_bytes(loopback, bring, path, how):
    loopback.faults = ["stall"]
    url = f"{loopback.url}/archive.tar.gz"
    command = [sys.executable, "-c", FETCH, url, str(path), str(len(CONTENT)), SHA256]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        # The last block may still be in the buffers of the process that is killed.
        while not (partial_of(path).is_file() and partial_of(path).stat().st_size >= 900_000):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        os.kill(process.pid, how)
    assert process.returncode != 0
    size = partial_of(path).stat().st_size
    assert bring() == CONTENT
    assert loopback.requests[-1][1] == f"bytes={size}-"
