"""Synthetic corpora written once for all tests of this folder."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], dict[str, str]]:
    """Digest of every file under a folder, by its path within it."""

    def digests(root: Path) -> dict[str, str]:
        return {
            str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(root.rglob("*"))
            if path.is_file()
        }

    return digests


@pytest.fixture(scope="session")
def librispeech_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("espeakng_loader")
    from tokser.testing.corpora.librispeech import write_librispeech

    root = tmp_path_factory.mktemp("librispeech")
    write_librispeech(root, num_utterances=120)
    return root


@pytest.fixture(scope="session")
def emodb_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("espeakng_loader")
    from tokser.testing.corpora.emodb import write_emodb

    root = tmp_path_factory.mktemp("emodb")
    write_emodb(root)
    return root


@pytest.fixture(scope="session")
def iemocap_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("espeakng_loader")
    from tokser.testing.corpora.iemocap import write_iemocap

    root = tmp_path_factory.mktemp("iemocap")
    write_iemocap(root)
    return root
