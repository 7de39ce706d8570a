"""Everything that needs no download: synthetic corpora, and tiny random encoders."""

from pathlib import Path

from tokser.corpora.registry import scan_corpus
from tokser.errors import SettingsError
from tokser.progress import say

__all__ = ["build_encoders", "synthesise", "write_material"]

_EMODB_SENTENCES = ("a01", "a02", "a05", "b01", "b03")


def write_material(out: Path) -> None:
    """Write the corpora, and an encoder for each that the reproduction pipelines name.

    The encoders are tiny and random; their names say so, and begin as those they stand for.

    Args:
        out: Gets `corpora/` and `encoders/`; what is there already is kept.

    Raises:
        SettingsError: The folder holds other things.
    """
    from tokser.testing.encoders import build_tiny_bert, build_tiny_wavlm, build_tiny_whisper

    synthesise(out)
    say("[material] build tiny random encoders")
    encoders = out / "encoders"
    build_tiny_whisper(encoders / "whisper-base-random", num_layers=6)
    build_tiny_whisper(encoders / "whisper-large-random", seed=1, num_layers=3)
    build_tiny_wavlm(encoders / "wavlm-base-random")
    texts = _transcripts(out / "corpora")
    build_tiny_bert(encoders / "bert-base-uncased-random", texts)
    name = "bert-base-multilingual-cased-random"
    build_tiny_bert(encoders / name, texts, seed=1, lowercase=False)


def synthesise(out: Path) -> None:
    """Write three small corpora in the layouts of LibriSpeech, EmoDB and IEMOCAP.

    Args:
        out: Gets `corpora/`.

    Raises:
        SettingsError: The folder holds other things.
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


def build_encoders(out: Path) -> None:
    """Build the demo's three encoders in `encoders/`; `synthesise` comes first."""
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
            expected="a new folder, or one that a demo began",
            got="one that holds other things",
            remedy="Name another folder; nothing was written.",
        )
