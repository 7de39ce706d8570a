"""Passwords and tokens of addresses: in no file, no message, no page."""

import json
import pickle

import pytest
from click.testing import CliRunner

from tokser.cli import main
from tokser.cli.output import tell
from tokser.errors import SettingsError
from tokser.progress import say
from tokser.provenance import Stamp
from tokser.redaction import redacted, redacted_values
from tokser.report.json_files import parse_object


@pytest.mark.parametrize(
    ("address", "stored"),
    [
        ("http://alice:pw@host:81/emodb.zarr", "http://host:81/emodb.zarr"),
        ("s3://KEY:pw@bucket/x.zarr", "s3://bucket/x.zarr"),
        ("https://pw@host/x.zarr", "https://host/x.zarr"),
        ("https://alice:p/w@host/x.zarr", "https://host/x.zarr"),
        ("https://alice:p@pw@host/x.zarr", "https://host/x.zarr"),
        ("https://alice:p w@host/x.zarr", "https://host/x.zarr"),
        ("https://alice:pw://pw@host/x.zarr", "https://host/x.zarr"),
        ("https://alice:p?w#pw@host:80/x.zarr", "https://host:80/x.zarr"),
        ("https://host/x.zarr?token=pw&part=1", "https://host/x.zarr"),
        ("https://host/x.zarr#pw", "https://host/x.zarr"),
        ("tls://alice:pw@node1:8786", "tls://node1:8786"),
        ("see https://a:pw@h/x?k=pw, then (http://h/y?pw).", "see https://h/x, then (http://h/y)."),
        ("abfs://alice:pw@lab.dfs.core.windows.net/x", "abfs://lab.dfs.core.windows.net/x"),
    ],
)
def test_an_address_loses_its_secrets_and_nothing_else(address, stored):
    assert redacted(address) == stored
    assert redacted(stored) == stored


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket/a@b/x.zarr",
        "http://host:8080/a@b/x.zarr",
        "http://host:8080",
        "abfs://container@lab.dfs.core.windows.net/x.zarr",
        "user@host: expected a folder?",
        "tcp://node1:8786 does not answer",
        "tcp://node1:8786 does not answer, ask a@b",
        "http://[::1]:80/a@b",
        "s3://bucket/x.zarr: expected a@b",
        "stores/emodb.zarr",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redacted(text) == text


def test_settings_are_searched_at_every_depth():
    values = {"store": "http://a:pw@h/x", "deep": [{"url": ("https://h/x?pw", 3, None)}]}
    assert redacted_values(values) == {
        "store": "http://h/x", "deep": [{"url": ("https://h/x", 3, None)}],
    }  # fmt: skip


def test_errors_and_messages_have_none(capsys):
    error = SettingsError(
        "http://a:pw@h/x", expected="s3://a:pw@h", got="https://h/?pw", remedy="See http://pw@h."
    )
    assert "pw" not in f"{error}{error.where}{error.got}{pickle.loads(pickle.dumps(error))}"
    say("reading http://a:pw@h/x?pw")
    tell("store: http://a:pw@h/x?pw", err=True)
    assert capsys.readouterr().err == "reading http://h/x\nstore: http://h/x\n"


def test_what_marks_a_folder_has_none_and_is_compared_without(tmp_path):
    def stamp(password):
        settings = {"store": f"http://a:{password}@h/x", "tables": [f"http://h/t?{password}"]}
        return Stamp("classify", settings, {"source": f"http://h/t?{password}"})

    with stamp("pw1").claim(tmp_path / "out"):
        stamp("pw1").write(tmp_path / "out")
    text = "".join(path.read_text() for path in (tmp_path / "out").iterdir())
    assert "pw1" not in text and "http://h/t" in text
    assert stamp("pw2").marks(tmp_path / "out")


def test_the_report_shows_none_that_older_folders_hold(tmp_path):
    (tmp_path / "provenance.json").write_text(
        json.dumps({"settings": {"store": "http://a:pw@h/x"}})
    )
    found = parse_object(tmp_path / "provenance.json")
    assert found == {"settings": {"store": "http://h/x"}}


def test_a_command_that_fails_tells_none(monkeypatch):
    monkeypatch.setenv("TOKSER_REMOTE_TIMEOUT_S", "0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    result = CliRunner().invoke(main, ["store", "info", "http://bob:pw@127.0.0.1:9/x.zarr?k=pw"])
    assert result.exit_code == 1
    assert "http://127.0.0.1:9/x.zarr" in result.output
    assert "pw" not in result.output
