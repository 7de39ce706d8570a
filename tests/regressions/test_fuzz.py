"""Random names, YAML, expressions, ranges and cluster files: an answer or one error, soon.

No traceback, nothing longer than 10 s, nothing written outside the folder that was named.
TOKSER_FAULTS=full tries 3,000.
"""

import os
import random
import signal
import string
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from tokser.cli import main
from tokser.config import (
    AuditSettings,
    ClassifySettings,
    ExtractSettings,
    GridSettings,
    PretrainSettings,
)
from tokser.encoders.layers import parse_layers
from tokser.errors import TokserError
from tokser.experiments.feature_expressions import parse
from tokser.names import Name
from tokser.pipeline import load_pipeline
from tokser.redaction import redacted
from tokser.scheduling import load_cluster
from tokser.stages.sweep import load_sweep
from tokser.yaml_file import parse_yaml

FULL = os.environ.get("TOKSER_FAULTS") == "full"
MOST_S = 10
KNOWN = [f"whisper-base/layer-{number}" for number in range(7)] + ["bert/contextual", "a b/[x]"]

WORDS = (
    *("name", "variables", "kind", "local", "slurm", "jobs", "options", "extract", "classify"),
    *("grid", "epochs", "store", "out", "pretrain", "hidden", "batch_size", "lr", "features"),
    *("mean(", "best(", "weighted(", ")", "+", ",", ":", "*", "..", "0..999999999", "layer-", "/"),
    *("whisper-base/layer-3", "bert/contextual", "last", "all", "${name}", "${", "}", "&a", "*a"),
    *("<<: *a", "[", "]", "{", "}", "- ", "? ", "\n", "\n  ", ": ", "!!int ", "!!python/name:os"),
    *("'", '"', "|", ">", "%", "@", "`", "#", "---", "~", "null", "true", "1e999", "nan", "-1"),
    *("9" * 30, "9" * 5_000, "0x1F", "1_0", "1:30:00", "2020-13-45", "../", "..", "/etc/passwd"),
    *(
        "\x00",
        "\x1b[31m",
        "\r",
        "\u202e",
        "\ud800",
        "\ufeff",
        "é",
        "e\u0301",
        "😀",
        "[/x]",
        "x" * 300,
    ),
    *("s3://k:pw@b/x", "http://u:pw@h?t=1", "://", "$HOME", "$(touch pwned)", ";touch pwned", "-"),
)


class Encoder:
    kind, name, num_layers, separate_last = "speech", "tiny", 3, False


def hostile(rng):
    """Draw a text: words that mean something here, letters, and repetitions of both."""
    pieces = [rng.choice(WORDS) for _ in range(rng.randrange(1, 12))]
    if rng.random() < 0.3:
        pieces.append("".join(rng.choices(string.printable, k=rng.randrange(1, 30))))
    if rng.random() < 0.1:
        pieces[rng.randrange(len(pieces))] *= rng.choice([2, 50, 2_000])
    return "".join(pieces)


@contextmanager
def soon():
    """Raise where the block takes longer than it may."""

    def late(*_):
        raise AssertionError(f"not done within {MOST_S} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(MOST_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def written(text, folder):
    file = folder / "given.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    return file


def settings(text, folder):
    for kind in (ExtractSettings, ClassifySettings, PretrainSettings, AuditSettings):
        names = list(kind.model_fields)
        rng = random.Random(ascii(text))
        values = dict.fromkeys(rng.sample(names, 4), text) | {rng.choice(names): [text]}
        kind.parse(values, where="fuzz")


READERS = {
    "expression": lambda text, folder: parse(text, KNOWN),
    "layers": lambda text, folder: parse_layers(Encoder, text),
    "grid": lambda text, folder: GridSettings.from_text(text),
    "name": lambda text, folder: Name.of(text, "fuzz"),
    "yaml": lambda text, folder: parse_yaml(text, where="fuzz"),
    "pipeline": lambda text, folder: load_pipeline(written(text, folder)),
    "override": lambda text, folder: load_pipeline(
        written("name: x\nvariables: {a: 1}\nclassify: [{}]", folder), [text]
    ),
    "cluster": lambda text, folder: load_cluster(written(text, folder)),
    "sweep": lambda text, folder: load_sweep(written(text, folder), {}),
    "settings": settings,
}


def snapshot(folder):
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns if path.is_file() else 0
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def sandbox(tmp_path, monkeypatch):
    """A working folder between others that nothing may write to."""
    for name in ("above", "beside"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "keep").write_text("kept")
    named = tmp_path / "above" / "cwd"
    named.mkdir()
    monkeypatch.chdir(named)
    monkeypatch.setenv("HOME", str(tmp_path / "beside"))
    return tmp_path


@pytest.mark.parametrize("name", READERS)
def test_readers_answer_or_refuse_and_write_nothing(name, sandbox):
    given = sandbox / "given"
    given.mkdir()
    before = snapshot(sandbox / "above"), snapshot(sandbox / "beside")
    for seed in range(250 if FULL else 40):
        text = hostile(random.Random(f"{name} {seed}"))
        try:
            with soon():
                READERS[name](text, given)
        except TokserError as error:
            assert len(str(error)) < 12_000, (name, seed)
            assert ":pw@" not in str(error), (name, seed)
        except BaseException as error:
            raise AssertionError(f"{name} {seed}: {type(error).__name__}: {error}") from error
    assert (snapshot(sandbox / "above"), snapshot(sandbox / "beside")) == before


CALLS = (
    ("extract", "--root", "{}", "--dataset", "{}", "--encoder", "none", "--store", "out/{}"),
    ("extract", "--root", ".", "--dataset", "emodb", "--encoder", "{}", "--store", "out/x.zarr"),
    (
        "extract",
        "--root",
        ".",
        "--dataset",
        "d",
        "--manifest",
        "{}",
        "--encoder",
        "e",
        "--store",
        "s",
    ),
    (
        "manifest",
        "csv",
        "--root",
        ".",
        "--table",
        "t.csv",
        "--column",
        "{}",
        "--rename-label",
        "{}",
    ),
    ("manifest", "csv", "--root", ".", "--table", "hostile.csv", "--out", "out/m.csv"),
    ("classify", "--dataset", "{}", "--store", "none", "--features", "{}", "--seeds", "{}"),
    ("classify", "--dataset", "d", "--store", "{}", "--grid", "{}", "--out", "out/r"),
    ("pretrain", "--store", "{}", "--option", "{}", "--out", "out/run", "--variant", "{}"),
    ("pretrain", "--sweep", "hostile.yaml"),
    ("run", "hostile.yaml", "--set", "{}"),
    ("report", "{}", "--out", "out/{}", "--title", "{}"),
    ("audit", "--store", "{}", "--splits", "hostile.yaml", "--protocol", "{}"),
    ("store", "info", "{}"),
    ("store", "verify", "out/{}"),
)


def call_of(rng):
    """Fill a command with hostile texts; none may hold what no command line can."""

    def text():
        found = hostile(rng).replace("\x00", "").encode("utf-8", "replace").decode()
        # What names a place is the user's to name: here, none but below `out` is named.
        return found.replace("://", ":").lstrip("/-").replace("../", "") or "x"

    return [part.replace("{}", text()) if "{}" in part else part for part in rng.choice(CALLS)]


def test_commands_end_with_a_message_and_write_only_to_out(sandbox, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    here = Path.cwd()
    outside = [sandbox / "beside"]
    for seed in range(500 if FULL else 20):
        rng = random.Random(f"call {seed}")
        call = call_of(rng)
        for name in ("hostile.yaml", "hostile.csv", "t.csv"):
            content = "path,label\n" * (name == "hostile.csv") + hostile(rng)
            (here / name).write_bytes(content.encode("utf-8", "surrogatepass"))
        before = [snapshot(folder) for folder in outside]
        inside = {path.name for path in here.iterdir()} | {"out"}
        with soon():
            result = CliRunner().invoke(main, call)
        how = f"call {seed}: {[part[:80] for part in call]}"
        is_told = result.exception is None or isinstance(result.exception, SystemExit)
        assert is_told, f"{how}: {result.exception!r}"
        assert "Traceback" not in result.output, how
        assert "\x1b" not in result.output, how
        assert [snapshot(folder) for folder in outside] == before, how
        assert {path.name for path in here.iterdir()} <= inside, how
        assert {path.name for path in here.parent.iterdir()} == {"cwd", "keep"}, how


def test_addresses_are_redacted_in_linear_time():
    for text in (
        "://" * 30_000,
        "http://" + "a" * 50_000,
        "http://" + ":" * 20_000 + "@",
        "a://?" * 9_000,
    ):
        with soon():
            redacted(text)
