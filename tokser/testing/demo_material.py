"""Synthetic corpora and tiny random encoders, of `tokser demo` and of the reproductions."""

from pathlib import Path

from tokser.corpora.registry import scan_corpus
from tokser.errors import SettingsError
from tokser.progress import say

__all__ = ["build_demo_encoders", "write_demo_corpora", "write_reproduction_material"]

_EMODB_SENTENCES = ("a01", "a02", "a05", "b01", "b03")


def write_reproduction_material(out: Path) -> None:
    """Write the demo corpora, and a tiny random encoder for each of the reproduction pipelines.

    An encoder is named after the published one, with `-random` at the end.

    Args:
        out: Folder in which `corpora/` and `encoders/` are written; existing ones are kept.

    Raises:
        SettingsError: The folder contains other files.
    """
    from tokser.testing.encoders import build_tiny_bert, build_tiny_wavlm, build_tiny_whisper

    write_demo_corpora(out)
    say("[material] build tiny random encoders")
    encoders = out / "encoders"
    build_tiny_whisper(encoders / "whisper-base-random", num_layers=6)
    build_tiny_whisper(encoders / "whisper-large-random", seed=1, num_layers=3)
    build_tiny_wavlm(encoders / "wavlm-base-random")
    texts = _transcripts(out / "corpora")
    build_tiny_bert(encoders / "bert-base-uncased-random", texts)
    name = "bert-base-multilingual-cased-random"
    build_tiny_bert(encoders / name, texts, seed=1, lowercase=False)


def write_demo_corpora(out: Path) -> None:
    """Write three small corpora in the layouts of LibriSpeech, EmoDB and IEMOCAP.

    Args:
        out: Folder in which `corpora/` is written; existing corpora are kept.

    Raises:
        SettingsError: The folder contains other files.
        MissingPackageError: espeakng-loader is not installed.
    """
    from tokser.testing.corpora.emodb import write_emodb
    from tokser.testing.corpora.iemocap import write_iemocap
    from tokser.testing.corpora.librispeech import write_librispeech

    _refuse_foreign(out)
    say("[material] synthesise speech")
    corpora = out / "corpora"
    write_librispeech(corpora / "LibriSpeech")
    write_emodb(corpora / "emodb", sentences=_EMODB_SENTENCES)
    write_iemocap(corpora / "IEMOCAP")


def build_demo_encoders(out: Path) -> None:
    """Build the demo's three encoders in `out/encoders`, after `write_demo_corpora(out)`."""
    from tokser.testing.encoders import build_tiny_bert, build_tiny_wavlm, build_tiny_whisper

    say("[material] build tiny random encoders")
    folder = out / "encoders"
    build_tiny_whisper(folder / "tiny-whisper")
    build_tiny_wavlm(folder / "tiny-wavlm")
    build_tiny_bert(folder / "tiny-bert", _transcripts(out / "corpora"))


def _transcripts(corpora: Path) -> list[str]:
    return [
        str(text)
        for dataset, name in (("librispeech", "LibriSpeech"), ("emodb", "emodb"))
        for text in scan_corpus(dataset, corpora / name).table["transcript"]
    ]


def _refuse_foreign(out: Path) -> None:
    if out.is_dir() and any(out.iterdir()) and not (out / "corpora").is_dir():
        raise SettingsError(
            f"--out {out}",
            expected="a new folder, or that of an earlier demo",
            got="a folder with other files",
            remedy="Name another folder; nothing was written.",
        )
