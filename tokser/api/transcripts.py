"""`tokser.transcribe`: from a manifest without transcripts to one with them."""

from pathlib import Path
from typing import Any, Unpack

from tokser.api.options import TranscribeOptions
from tokser.config import TranscribeSettings
from tokser.config.keywords import settings_from
from tokser.missing_packages import names_missing_packages
from tokser.stages.transcribe import Transcription
from tokser.stages.transcribe import transcribe as run_transcribe

__all__ = ["transcribe"]


@names_missing_packages
def transcribe(
    manifest: str | Path,
    *,
    root: str | Path | None = None,
    encoder: str | Path | None = None,
    out: str | Path | None = None,
    **options: Unpack[TranscribeOptions],
) -> Transcription:
    """Fill the missing transcripts of a manifest by Whisper; those that are there stay.

    Args:
        manifest: CSV of `tokser manifest`; it is never changed.
        root: Folder of the recordings; without, that of the manifest.
        encoder: Hub id or folder of a whole Whisper; without, `openai/whisper-base`.
        out: Manifest to write; without, NAME.transcribed.csv.
        **options: As `tokser transcribe --help` shows them: `language`, `check`, `device`...

    Returns:
        `out`, the new `transcripts` by utterance, `quarantined` with reasons, and with `check` the
        `errors`.

    Raises:
        InputError: A keyword, the manifest, the model or `out` are not what they should be.
        RunError: Another process writes `out`.
    """
    keywords: dict[str, Any] = {"manifest": manifest, "root": root, "out": out, **options}
    if encoder is not None:
        keywords["encoder"] = str(encoder)
    return run_transcribe(settings_from(TranscribeSettings, keywords, where="tokser.transcribe"))
