"""A folder in which the commands of the documentation can be run as they stand there."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from filelock import FileLock

REPOSITORY = Path(__file__).resolve().parents[2]
FENCE = re.compile(
    r"(?:<!-- (?P<verdict>not run|run by): (?P<reason>[^>]+?) -->\n)?"
    r"```(?P<language>\w*|\{[\w-]+\})\n(?P<text>.*?)```",
    re.DOTALL,
)
SPEAKERS, EMOTIONS = ("03", "08", "12", "14", "16"), "WFN"
"""Few, but ten utterances of each class, without which there is no random split."""
POOLED = [
    *("--feature", "whisper-base/layer-3", "--feature", "whisper-base/layer-6"),
    *("--feature", "bert-base-uncased/contextual"),
]
MINE = ("anna", "ben", "cleo", "dora")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, and what the comment above it says of its being run."""

    page: Path
    language: str
    text: str
    verdict: str
    reason: str


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page in order; those without a language are no programs."""
    found = FENCE.finditer(page.read_text(encoding="utf-8"))
    return [
        Block(page, m["language"], m["text"], m["verdict"] or "", (m["reason"] or "").strip())
        for m in found
        if not m["language"].startswith("{")  # a directive of the site
    ]


@pytest.fixture(scope="session")
def documented():
    """`blocks`, for tests, which cannot import from here."""
    return blocks


@pytest.fixture(scope="session")
def workshop(tmp_path_factory) -> Path:
    """Small synthetic corpora and random encoders, under the names that the pages use.

    `corpora/emodb`, `corpora/LibriSpeech`, models in folders named like their hub ids, a corpus
    of one's own with its table, and a pooled store of EmoDB.
    """
    from tokser.cli import main
    from tokser.testing.corpora.emodb import write_emodb
    from tokser.testing.corpora.librispeech import write_librispeech
    from tokser.testing.encoders import build_tiny_bert, build_tiny_wavlm, build_tiny_whisper

    folder = tmp_path_factory.mktemp("workshop")
    write_emodb(folder / "corpora" / "emodb", sentences=("a01", "b01"))
    for recording in (folder / "corpora" / "emodb" / "wav").iterdir():
        if recording.name[:2] not in SPEAKERS or recording.name[5] not in EMOTIONS:
            recording.unlink()
    write_librispeech(folder / "corpora" / "LibriSpeech", num_utterances=24)
    _corpus_of_ones_own(folder)
    texts = ["Das will sie am Mittwoch abgeben", "HE READ THE BOOK ALOUD", "Guten Morgen!"]
    build_tiny_whisper(folder / "openai" / "whisper-base", num_layers=6)
    build_tiny_wavlm(folder / "microsoft" / "wavlm-base")
    build_tiny_bert(folder / "bert-base-uncased", texts)
    shutil.copytree(REPOSITORY / "pipelines", folder / "pipelines")
    store = str(folder / "workspace" / "stores" / "emodb.zarr")
    root = str(folder / "corpora" / "emodb")
    extract = ["extract", "--dataset", "emodb", "--root", root, "--store", store]
    for options in (
        [*extract, "--layers", "all", "--encoder", str(folder / "openai" / "whisper-base")],
        [*extract, "--encoder", str(folder / "bert-base-uncased")],
        ["pool", "--store", store, *POOLED],
    ):
        result = CliRunner().invoke(main, options)
        assert result.exit_code == 0, result.output
    return folder


def _corpus_of_ones_own(folder: Path) -> None:
    """Write the table that docs/own-corpus.md shows, and the recordings that it lists."""
    borrowed = sorted((folder / "corpora" / "emodb" / "wav").glob("*.wav"))
    lines = ["file,emotion,speaker,transcript"]
    for number in range(36):
        name = MINE[number % len(MINE)]
        path = Path("day1") / f"{name}-{number:03d}.wav"
        (folder / "audio" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(borrowed[number % len(borrowed)], folder / "audio" / path)
        mood = ("happy", "angry", "calm")[number // len(MINE) % 3]
        lines.append(f"{path},{mood},{name},Guten Morgen!")
    (folder / "recordings.csv").write_text("\n".join(lines) + "\n")


@dataclass(frozen=True)
class BuiltSite:
    """The documentation site, as `make docs` builds it.

    Attributes:
        folder: Where it lies.
        complaints: What the builder wrote; empty if all links, anchors and directives hold.
    """

    folder: Path
    complaints: str


@pytest.fixture(scope="session")
def site(tmp_path_factory, worker_id) -> BuiltSite:
    """The site, built once for all processes of a run, where no address can be reached."""
    home = tmp_path_factory.getbasetemp()
    folder = (home if worker_id == "master" else home.parent) / "site"
    log = folder.with_suffix(".log")
    with FileLock(f"{folder}.lock"):
        if not log.exists():
            log.write_text(_build_site(folder), encoding="utf-8")
    return BuiltSite(folder, log.read_text(encoding="utf-8"))


def _build_site(folder: Path) -> str:
    command = [sys.executable, "-m", "sphinx", "--quiet", "--builder", "html"]
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    built = subprocess.run(
        [*command, "--doctree-dir", f"{folder}-doctrees", str(REPOSITORY / "docs"), str(folder)],
        env=os.environ | nowhere | {name.lower(): value for name, value in nowhere.items()},
        capture_output=True,
        text=True,
        check=False,
    )
    return built.stdout + built.stderr if built.returncode == 0 else f"failed: {built.stderr}"
