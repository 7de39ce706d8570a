"""A manifest with labels as they were decided."""

import json
from pathlib import Path

from tokser.config import RelabelSettings
from tokser.corpora.relabel import Relabelled, read_decisions, relabelled
from tokser.errors import MissingInputError, SettingsError
from tokser.progress import say
from tokser.provenance import digest_of, sha256_of_file, versions, write_atomically
from tokser.store import open_store

__all__ = ["relabel"]


def relabel(settings: RelabelSettings) -> Relabelled:
    """Write a new manifest, and what made it in `OUT.provenance.json`; nothing else changes.

    Raises:
        SettingsError: Neither or both of manifest and store are named, or something is at `out`.
        MissingInputError: A file or the store is missing.
        ManifestError: Decisions are malformed, or are not about the labels of the manifest.
    """
    _require_new(settings.out)
    text, name = _manifest_of(settings)
    decisions = read_decisions(settings.decisions)
    done = relabelled(text, decisions, name=name, decided=settings.decisions)
    about = {
        "stage": "relabel",
        "settings": settings.model_dump(mode="json"),
        "inputs": {
            "manifest": digest_of(text),
            "decisions": sha256_of_file(settings.decisions),
        },
        "versions": versions(),
    }
    write_atomically(settings.out, done.text.encode())
    provenance = settings.out.with_name(f"{settings.out.name}.provenance.json")
    write_atomically(provenance, json.dumps(about, indent=1, ensure_ascii=False).encode())
    if settings.store is not None:
        say(
            "take the labels into the store with "
            f"`tokser store update {settings.store} --manifest {settings.out}`"
        )
    return done


def _manifest_of(settings: RelabelSettings) -> tuple[str, str]:
    """Return the text of the manifest that settings name, and what it is called."""
    if (settings.manifest is None) == (settings.store is None):
        raise SettingsError(
            "--manifest, --store",
            expected="one of both",
            got="none" if settings.store is None else "both",
            remedy="Name the manifest, or the store, whose labels are corrected.",
        )
    if settings.store is not None:
        return open_store(settings.store).manifest_text, settings.store
    path = settings.manifest or Path()
    if not path.is_file():
        raise MissingInputError(
            path,
            expected="a manifest (CSV)",
            got="a folder" if path.exists() else "no such file",
            remedy="Write it with `tokser manifest`.",
        )
    return path.read_text(encoding="utf-8"), str(path)


def _require_new(out: Path) -> None:
    if out.exists():
        raise SettingsError(
            f"--out {out}",
            expected="no file yet: manifests are never overwritten",
            got="a folder" if out.is_dir() else "a file",
            remedy="Name another file.",
        )
