"""Recordings without a transcript, for a model that reads text: transcribed first."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tokser.corpora.manifest import Manifest
from tokser.errors import SettingsError
from tokser.experiments.models import Model
from tokser.transcription.columns import COLUMNS, filled, lacking, languages_of
from tokser.transcription.finished import Finished
from tokser.transcription.languages import require_language
from tokser.transcription.load import Transcriber, find_whole
from tokser.transcription.run import transcribe_recordings
from tokser.transcription.transcript import NO_SPEECH

__all__ = ["AUTO", "InputTranscription", "with_transcripts"]

AUTO = "auto"
"""The model's own Whisper; where it reads none, `_DEFAULT`."""
_DEFAULT = "openai/whisper-base"
_CONFIDENCE = "transcript_confidence"


@dataclass(frozen=True)
class InputTranscription:
    """How recordings are transcribed.

    Attributes:
        transcriber: The Whisper.
        language: Its code of the language of all of them; None: that of a manifest, else detected.
    """

    transcriber: Transcriber
    language: str | None

    @classmethod
    def of(
        cls,
        model: Model,
        source: str | None,
        language: str | None,
        *,
        device: str,
        in_windows: bool,
        is_store: bool,
    ) -> "InputTranscription | None":
        """Return how recordings of a model are transcribed; None: not at all.

        Raises:
            InputError: The model reads no text, windows or a store are predicted, or the Whisper is
                not whole.
        """
        if source is None:
            if language is not None:
                raise _wrong(
                    "--language", "--transcribe as well, which it is for", "no --transcribe"
                )
            return None
        if not any(group.kind == "text" for group in model.recipe.groups):
            raise _wrong("--transcribe", "a model that reads text", "one of speech alone")
        if in_windows or is_store:
            got = "windows, which have no transcripts of their own" if in_windows else "a store"
            raise _wrong("--transcribe", "whole recordings", got)
        code = None if language is None else require_language(language)
        found = find_whole(_own(model) if source == AUTO else source, option="--transcribe")
        return cls(Transcriber(found, device), code)

    def identity(self) -> dict[str, Any]:
        """Return what decides the transcripts, besides the recordings."""
        return {**self.transcriber.identity(), "language": self.language}

    def fill(self, recordings: Manifest, out: Path | None) -> tuple[Manifest, dict[str, str]]:
        """Return recordings with transcripts, and why some still have none.

        Args:
            recordings: Those with a transcript keep it.
            out: File of the predictions; finished transcripts are kept beside it.
        """
        ids = lacking(recordings.table)
        beside = None if out is None else out.with_name(f"{out.name}.transcripts.jsonl")
        with Finished(beside).begun() as finished:
            done = transcribe_recordings(
                self.transcriber,
                recordings,
                languages_of(recordings.table, ids, self.language),
                finished=finished,
            )
        silent = {
            name: f"{NO_SPEECH}, so no transcript"
            for name, one in done.transcripts.items()
            if not one.text
        }
        return filled(recordings, done.transcripts, self.transcriber), silent | done.quarantined


def with_transcripts(table: pd.DataFrame, recordings: Manifest) -> pd.DataFrame:
    """Add to predictions what was read: the transcript, and what made it."""
    names = ["transcript", *COLUMNS]
    cells = recordings.table[names].loc[table["id"]].reset_index(drop=True)
    cells[_CONFIDENCE] = pd.to_numeric(cells[_CONFIDENCE], errors="coerce")
    return pd.concat([table.reset_index(drop=True), cells], axis=1)


def _own(model: Model) -> str:
    """Return where the model's own Whisper is; the usual one if it reads none."""
    sources: Sequence[str] = [
        group.source
        for group in model.recipe.groups
        if group.provenance.get("model_type") == "whisper" and group.source
    ]
    return sources[0] if sources else _DEFAULT


def _wrong(where: str, expected: str, got: str) -> SettingsError:
    return SettingsError(where, expected=expected, got=got, remedy=f"Leave {where} out.")
