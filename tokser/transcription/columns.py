"""The columns of a manifest that say what was transcribed by machine, by what, and how surely."""

import math
from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from tokser.corpora.manifest import Manifest
from tokser.progress import warn
from tokser.transcription.languages import whisper_language
from tokser.transcription.load import Transcriber
from tokser.transcription.transcript import Transcript

__all__ = ["COLUMNS", "filled", "given", "lacking", "languages_of"]

SOURCE = "transcript_source"
COLUMNS = (
    SOURCE,
    "transcript_revision",
    "transcript_weights_sha256",
    "transcript_language",
    "transcript_confidence",
    "transcript_note",
)
"""What stands beside a transcript that was made by machine; all empty beside one that was given."""


def lacking(table: pd.DataFrame) -> list[str]:
    """Return the utterances without a transcript."""
    return list(table.index[table["transcript"].str.strip().eq("")])


def given(table: pd.DataFrame) -> list[str]:
    """Return the utterances whose transcript was given, not made by machine."""
    has_text = table["transcript"].str.strip().ne("")
    by_machine = table[SOURCE].ne("") if SOURCE in table else pd.Series(False, index=table.index)
    return list(table.index[has_text & ~by_machine])


def languages_of(
    table: pd.DataFrame, ids: list[str], language: str | None
) -> dict[str, str | None]:
    """Return Whisper's code of the language of each utterance; None: it is detected.

    Args:
        table: Of the manifest.
        ids: The utterances.
        language: The code of all of them; None: that of the manifest's column `language`.
    """
    if language is not None:
        return dict.fromkeys(ids, language)
    names = table["language"].loc[ids]
    codes = {name: whisper_language(str(name)) for name in names.unique()}
    unknown = sorted(name for name, code in codes.items() if name and code is None)
    if unknown:
        warn(f"language {', '.join(unknown)}: not known to Whisper, detected instead")
    return {str(name): codes[language] for name, language in names.items()}


def filled(
    manifest: Manifest, transcripts: Mapping[str, Transcript], transcriber: Transcriber
) -> Manifest:
    """Return a manifest whose missing transcripts are filled; what is there stays as it is.

    Args:
        manifest: The manifest.
        transcripts: By utterance; those of utterances that have a transcript are not used.
        transcriber: What made them.
    """
    table = manifest.table.copy()
    for column in COLUMNS:
        if column not in table:
            table[column] = ""
    model = transcriber.identity()
    wanted = set(lacking(manifest.table))
    for name, one in transcripts.items():
        if name not in wanted:
            continue
        table.loc[name, "transcript"] = one.text
        confidence = "" if math.isnan(one.confidence) else f"{one.confidence:.4f}"
        cells = (model["model"], model["revision"], model["weights_sha256"])
        table.loc[name, list(COLUMNS)] = [*cells, one.language, confidence, one.note]
    return replace(manifest, table=table)
