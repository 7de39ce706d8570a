"""Stage 0: fill the missing transcripts of a manifest by machine, and compare with given ones."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokser.config import TranscribeSettings
from tokser.corpora.manifest import Manifest, read_manifest
from tokser.durable import sha256_of_file, write_atomically
from tokser.errors import SettingsError
from tokser.progress import say
from tokser.provenance import digest_of, versions
from tokser.transcription.columns import filled, given, lacking, languages_of
from tokser.transcription.finished import Finished
from tokser.transcription.languages import require_language
from tokser.transcription.load import Transcriber, find_whole
from tokser.transcription.run import transcribe_recordings
from tokser.transcription.transcript import Transcript
from tokser.transcription.word_errors import WordErrors, compare_transcripts

__all__ = ["Transcription", "transcribe"]


@dataclass(frozen=True)
class Transcription:
    """What a call of `transcribe` did.

    Attributes:
        out: The manifest that was written; None where nothing was missing.
        transcripts: The new ones by utterance.
        quarantined: Why an utterance has none, by id.
        errors: The comparison with given transcripts, if it was asked for.
        errors_out: Its table, utterance by utterance.
    """

    out: Path | None
    transcripts: dict[str, Transcript]
    quarantined: dict[str, str]
    errors: WordErrors | None = None
    errors_out: Path | None = None


def transcribe(settings: TranscribeSettings) -> Transcription:
    """Fill missing transcripts, and compare others with the given ones if that is asked for.

    Raises:
        InputError: Manifest, model or `out` are not what they should be; nothing was changed.
        RunError: Another process writes `out`.
    """
    path = settings.manifest
    root = settings.root or path.parent
    manifest = read_manifest(path, dataset="transcribe", root=root)
    out = settings.out or path.with_name(f"{path.stem}.transcribed.csv")
    _require_own(out, path)
    language = None if settings.language is None else require_language(settings.language)
    checkpoint = find_whole(settings.encoder, settings.revision)
    transcriber = Transcriber(checkpoint, settings.device, settings.no_speech_threshold)
    missing = lacking(manifest.table)
    checked = _drawn(given(manifest.table), settings.check_most) if settings.check else []
    ids = [*missing, *checked]
    if not ids:
        say(f"{path}: no transcript is missing")
        return Transcription(None, {}, {})
    with Finished(out.with_name(f"{out.name}.transcripts.jsonl")).begun() as finished:
        done = transcribe_recordings(
            transcriber,
            manifest,
            languages_of(manifest.table, ids, language),
            finished=finished,
            batch_seconds=settings.batch_seconds,
        )
        new = {name: done.transcripts[name] for name in missing if name in done.transcripts}
        if missing:
            _write(out, filled(manifest, new, transcriber), settings, transcriber)
        errors, errors_out = None, None
        compared = {name: done.transcripts[name] for name in checked if name in done.transcripts}
        if checked:
            errors = compare_transcripts(manifest.table, compared, transcriber)
            errors_out = out.with_name(f"{out.stem}.errors.csv")
            write_atomically(errors_out, errors.table.to_csv(index=False).encode())
    return Transcription(out if missing else None, new, done.quarantined, errors, errors_out)


def _drawn(ids: Sequence[str], most: int | None) -> list[str]:
    """Return at most so many, drawn by the digests of their ids: the same ones in every call."""
    if most is None or len(ids) <= most:
        return list(ids)
    return sorted(sorted(ids, key=digest_of)[:most])


def _write(
    out: Path, manifest: Manifest, settings: TranscribeSettings, transcriber: Transcriber
) -> None:
    manifest.write(out)
    about: dict[str, Any] = {
        "stage": "transcribe",
        "settings": settings.model_dump(mode="json"),
        "inputs": {"manifest": sha256_of_file(settings.manifest), **transcriber.identity()},
        "sha256": sha256_of_file(out),
        "versions": versions(),
    }
    text = json.dumps(about, indent=1, ensure_ascii=False)
    write_atomically(_provenance(out), text.encode())


def _provenance(out: Path) -> Path:
    return out.with_name(f"{out.name}.provenance.json")


def _require_own(out: Path, manifest: Path) -> None:
    """Raise `SettingsError` unless `out` is new, or as this command wrote it."""
    got = ""
    if out.exists() and out.resolve() == manifest.resolve():
        got = "MANIFEST itself, which is never changed"
    elif out.is_dir():
        got = "a folder"
    elif out.exists() and _written_digest(out) != sha256_of_file(out):
        got = "a file that `tokser transcribe` did not write, or that was changed since"
    if got:
        raise SettingsError(
            f"--out {out}",
            expected="no file yet, or one that `tokser transcribe` wrote and nobody changed",
            got=got,
            remedy="Name another file; or, to go on from a corrected one, give it as MANIFEST.",
        )


def _written_digest(out: Path) -> str:
    try:
        return str(json.loads(_provenance(out).read_bytes())["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
