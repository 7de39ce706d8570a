"""The corpora by name, and which of them a folder contains."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType, ModuleType

from tokser.corpora import emodb, iemocap, librispeech
from tokser.corpora.manifest import Manifest, read_manifest
from tokser.errors import CorpusError, MissingInputError, SettingsError, list_some

__all__ = ["class_names", "load_corpus", "looks_like", "scan_corpus"]

_CORPORA = MappingProxyType({"librispeech": librispeech, "emodb": emodb, "iemocap": iemocap})
_HOW_TO_GET = MappingProxyType(
    {
        "librispeech": "`tokser download librispeech --split dev-clean` fetches a part.",
        "emodb": "`tokser download emodb` fetches it.",
        "iemocap": "it needs a licence, `tokser doctor` says how to get one.",
    }
)
"""How each corpus is obtained."""
_SUBSETS = MappingProxyType({"recognised": "emodb", "four-class": "iemocap"})
"""Corpus of each subset, beside `all`."""


def class_names(dataset: str) -> tuple[str, ...]:
    """Return the emotions of a corpus in alphabetical order; none for LibriSpeech.

    Raises:
        SettingsError: There is no corpus of that name.
    """
    classes: tuple[str, ...] = _corpus(dataset).CLASSES
    return classes


def looks_like(root: Path) -> list[str]:
    """Return the names of the corpora whose layout a folder has; none, as a rule."""
    return [name for name, corpus in _CORPORA.items() if corpus.recognises(root)]


def load_corpus(
    dataset: str,
    root: Path,
    *,
    manifest: Path | None,
    splits: Sequence[str] = (),
    subset: str = "all",
) -> Manifest:
    """List every utterance of a corpus: those of its manifest if there is one, else scan it.

    Args:
        dataset: With a manifest, any name.
        root: The folder that paths are relative to.
        manifest: A CSV file that `Manifest.write` wrote, or that was edited since.
        splits: As `scan_corpus`.
        subset: As `scan_corpus`.

    Raises:
        SettingsError: A manifest, and parts of a corpus too; else as `scan_corpus`.
        InputError: As `read_manifest` and `scan_corpus`.
    """
    if manifest is None:
        return scan_corpus(dataset, root, splits=splits, subset=subset)
    if splits or subset != "all":
        raise SettingsError(
            "splits and subset",
            expected="neither with a manifest, which already lists the utterances",
            got=", ".join([*splits, *([subset] if subset != "all" else [])]),
            remedy="Write a manifest of these parts, or leave the manifest out.",
        )
    if not root.is_dir():
        raise MissingInputError(
            root,
            expected="the folder that the manifest's paths are relative to",
            got="a file" if root.exists() else "no such folder",
            remedy="Name the folder that the manifest was made with.",
        )
    return read_manifest(manifest, dataset=dataset, root=root)


def scan_corpus(
    dataset: str, root: Path, *, splits: Sequence[str] = (), subset: str = "all"
) -> Manifest:
    """List every utterance of a corpus.

    Args:
        dataset: `librispeech`, `emodb` or `iemocap`.
        root: The corpus's own folder.
        splits: Parts of LibriSpeech; empty: all that are there.
        subset: `all`; EmoDB: the `recognised` recordings of the paper's Table 1; IEMOCAP: the turns
            of the `four-class` set.

    Returns:
        The manifest; recordings that cannot be read are its faults.

    Raises:
        SettingsError: There is no such corpus or subset, or the corpus has none.
        MissingInputError: `root` does not exist.
        CorpusError: `root` contains other files, or the corpus is malformed.
        ManifestError: Utterances share an id.
    """
    corpus = _corpus(dataset)
    if splits and corpus is not librispeech:
        raise _no_part("splits", ", ".join(splits), dataset, only="librispeech")
    if subset not in ("all", *_SUBSETS):
        known = " or ".join(("all", *_SUBSETS))
        raise SettingsError("subset", expected=known, got=repr(subset), remedy="Choose one.")
    if subset != "all" and _SUBSETS[subset] != dataset:
        raise _no_part("subset", subset, dataset, only=_SUBSETS[subset])
    _check_root(dataset, root)
    if corpus is librispeech:
        return librispeech.scan(root, splits=splits)
    if corpus is emodb:
        return emodb.scan(root, subset=subset)
    if corpus is iemocap:
        return iemocap.scan(root, subset=subset)
    scanned: Manifest = corpus.scan(root)
    return scanned


def _corpus(dataset: str) -> ModuleType:
    if dataset not in _CORPORA:
        near = difflib.get_close_matches(dataset, _CORPORA, n=1, cutoff=0.0)
        hint = f"Did you mean {near[0]!r}?" if near else "Choose one of these."
        raise SettingsError(
            "dataset",
            expected=f"one of {', '.join(_CORPORA)}",
            got=repr(dataset),
            remedy=f"{hint} A corpus of your own needs its manifest, see `tokser manifest --help`.",
        )
    return _CORPORA[dataset]


def _check_root(dataset: str, root: Path) -> None:
    """Make sure that `root` holds the corpus, or say what it holds instead."""
    layout = _corpus(dataset).LAYOUT
    if not root.exists():
        raise MissingInputError(
            root,
            expected=f"the folder of {dataset} ({layout})",
            got="no such folder",
            remedy=f"Name the folder into which the corpus was unpacked; {_HOW_TO_GET[dataset]}",
        )
    if not root.is_dir():
        raise CorpusError(
            root,
            expected=f"the folder of {dataset} ({layout})",
            got="a file",
            remedy="Unpack it, and name the folder.",
        )
    if _CORPORA[dataset].recognises(root):
        return
    others = looks_like(root)
    looks = f", which looks like {' and '.join(others)}" if others else ""
    raise CorpusError(
        root,
        expected=f"{dataset} ({layout})",
        got=f"{_contents(root)}{looks}",
        remedy=(
            f"Name the dataset {others[0]}, or name the folder of {dataset}."
            if others
            else f"Name the folder into which the corpus was unpacked; {_HOW_TO_GET[dataset]}"
        ),
    )


def _contents(root: Path) -> str:
    names = sorted(path.name for path in root.iterdir())
    return f"a folder that contains {list_some(names)}" if names else "an empty folder"


def _no_part(setting: str, value: str, dataset: str, *, only: str) -> SettingsError:
    return SettingsError(
        setting,
        expected=f"no {setting} with {dataset}; only {only} has {setting}",
        got=value,
        remedy=f"Leave out `{setting}`.",
    )
