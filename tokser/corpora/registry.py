"""The corpora by name, and which of them a folder contains."""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import MappingProxyType, ModuleType

from tokser.corpora import iemocap, librispeech
from tokser.corpora.declared.catalogue import all_declarations, known_declaration, shows
from tokser.corpora.declared.declaration import Declaration
from tokser.corpora.declared.names import declared_names
from tokser.corpora.declared.paths import list_files
from tokser.corpora.declared.read import read_declaration
from tokser.corpora.declared.scan import scan_declared
from tokser.corpora.manifest import Manifest, read_manifest
from tokser.errors import CorpusError, MissingInputError, SettingsError, list_some

__all__ = [
    "class_names",
    "declaration_of",
    "find_corpora",
    "load_corpus",
    "looks_like",
    "scan_corpus",
]

_READERS: MappingProxyType[str, ModuleType] = MappingProxyType(
    {"librispeech": librispeech, "iemocap": iemocap}
)
"""Code of the corpora whose files a declaration cannot describe."""

_MOST_FILES_LOOKED_AT = 5_000


def class_names(dataset: str) -> tuple[str, ...]:
    """Return the emotions of a corpus in alphabetical order; none for LibriSpeech.

    Raises:
        SettingsError: There is no corpus of that name.
    """
    return declaration_of(dataset).all_classes


def declaration_of(dataset: str, corpus: Path | None = None) -> Declaration:
    """Return the declaration of a corpus: its own, or one that tokser or another package has.

    Args:
        dataset: Its name.
        corpus: A declaration of one's own.

    Raises:
        SettingsError: There is no corpus of that name, or the own one is malformed or has
            another name.
        MissingInputError: There is no such file.
    """
    if corpus is not None:
        declaration = read_declaration(corpus)
        if declaration.dataset != dataset:
            raise SettingsError(
                "dataset",
                expected=f"{declaration.dataset}, the dataset of {corpus}",
                got=repr(dataset),
                remedy="Write the same name in both places.",
            )
        return declaration
    if dataset in declared_names() or dataset in all_declarations():
        return known_declaration(dataset)
    known = {_letters(name): name for name in all_declarations()}
    near = difflib.get_close_matches(_letters(dataset), known, n=1, cutoff=0.0)
    hint = f"Did you mean {known[near[0]]!r}?" if near else "Choose one of these."
    raise SettingsError(
        "dataset",
        expected=f"one of {', '.join(all_declarations())}",
        got=repr(dataset),
        remedy=f"{hint} A corpus of your own needs its manifest, see `tokser manifest --help`.",
    )


def _letters(name: str) -> str:
    """Return a name without case and signs: EMO-DB is emodb."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def looks_like(root: Path) -> list[str]:
    """Return the names of the corpora whose layout a folder has; none, as a rule.

    Of large folders only the first few thousand files are looked at.
    """
    listing = list_files(root, most=_MOST_FILES_LOOKED_AT)
    return [
        name
        for name, declaration in all_declarations().items()
        if (
            _READERS[declaration.reader].recognises(root)
            if declaration.reader
            else shows(declaration, listing)
        )
    ]


def find_corpora(places: Iterable[Path]) -> dict[str, list[Path]]:
    """Find the corpora in some folders, and in the folders within them.

    Returns:
        The folders of each corpus, of all that are declared; of a folder within another one of
        the same corpus only the inner.
    """
    folders = [f for place in places if place.is_dir() for f in (place, *sorted(place.iterdir()))]
    found: dict[str, list[Path]] = {name: [] for name in all_declarations()}
    for folder in dict.fromkeys(folders):
        for name in looks_like(folder) if folder.is_dir() else ():
            found[name].append(folder)
    return {
        name: [root for root in roots if not any(other.parent == root for other in roots)]
        for name, roots in found.items()
    }


def load_corpus(
    dataset: str,
    root: Path,
    *,
    manifest: Path | None,
    splits: Sequence[str] = (),
    subset: str = "all",
    corpus: Path | None = None,
) -> Manifest:
    """List every utterance of a corpus: those of its manifest if there is one, else scan it.

    Args:
        dataset: With a manifest, any name.
        root: The folder that paths are relative to.
        manifest: A CSV file that `Manifest.write` wrote, or that was edited since.
        splits: As `scan_corpus`.
        subset: As `scan_corpus`.
        corpus: As `scan_corpus`.

    Raises:
        SettingsError: A manifest, and parts of a corpus or a declaration too; else as
            `scan_corpus`.
        InputError: As `read_manifest` and `scan_corpus`.
    """
    if manifest is None:
        return scan_corpus(dataset, root, splits=splits, subset=subset, corpus=corpus)
    if splits or subset != "all" or corpus is not None:
        given = [
            *splits,
            *([subset] if subset != "all" else []),
            *([str(corpus)] if corpus else []),
        ]
        raise SettingsError(
            "splits, subset and corpus" if corpus else "splits and subset",
            expected="neither with a manifest, which already lists the utterances",
            got=", ".join(given),
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
    dataset: str,
    root: Path,
    *,
    splits: Sequence[str] = (),
    subset: str = "all",
    corpus: Path | None = None,
) -> Manifest:
    """List every utterance of a corpus.

    Args:
        dataset: A corpus that is declared in `data_manifests/`, by another package, or in `corpus`.
        root: The corpus's own folder.
        splits: Parts of LibriSpeech; empty: all that are there.
        subset: `all`, or a subset that the corpus declares.
        corpus: Declaration of a corpus of one's own (YAML).

    Returns:
        The manifest; recordings that cannot be read are its faults.

    Raises:
        SettingsError: There is no such corpus or subset, or the corpus has none.
        MissingInputError: `root` does not exist.
        CorpusError: `root` contains other files, or the corpus is malformed.
        ManifestError: Utterances share an id.
    """
    declaration = declaration_of(dataset, corpus)
    if splits and not declaration.splits:
        raise SettingsError(
            "splits",
            expected=f"no splits with {dataset}; only librispeech has splits",
            got=", ".join(splits),
            remedy="Leave out `splits`.",
        )
    if subset not in declaration.subset_names:
        raise SettingsError(
            "subset",
            expected=f"of {dataset}: {' or '.join(declaration.subset_names)}",
            got=repr(subset),
            remedy="Choose one." if len(declaration.subset_names) > 1 else "Leave out `subset`.",
        )
    _check_root(declaration, root)
    if declaration.reader == "librispeech":
        return librispeech.scan(root, splits=splits)
    if declaration.reader == "iemocap":
        return iemocap.scan(root, subset=subset)
    return scan_declared(declaration, root, subset=subset)


def _recognises(declaration: Declaration, root: Path) -> bool:
    """Tell whether a folder holds a corpus; all of its files are looked at."""
    if declaration.reader:
        found: bool = _READERS[declaration.reader].recognises(root)
        return found
    return shows(declaration, list_files(root))


def _check_root(declaration: Declaration, root: Path) -> None:
    """Make sure that `root` holds the corpus, or say what it holds instead."""
    expected = f"{declaration.dataset} ({declaration.layout})"
    unpacked = _how_to_get(declaration)
    if not root.exists():
        raise MissingInputError(
            root, expected=f"the folder of {expected}", got="no such folder", remedy=unpacked
        )
    if not root.is_dir():
        raise CorpusError(
            root,
            expected=f"the folder of {expected}",
            got="a file",
            remedy="Unpack it, and name the folder.",
        )
    if _recognises(declaration, root):
        return
    others = looks_like(root)
    looks = f", which looks like {' and '.join(others)}" if others else ""
    raise CorpusError(
        root,
        expected=expected,
        got=f"{_contents(root)}{looks}",
        remedy=f"Name the dataset {others[0]}, or name the folder of {declaration.dataset}."
        if others
        else unpacked,
    )


def _how_to_get(declaration: Declaration) -> str:
    """Return what to do where a corpus is not."""
    text = declaration.how_to_get
    if not text:
        return "Name the folder that holds its recordings, or correct `files` of its declaration."
    if declaration.reader == "iemocap":
        text = "it needs a licence, `tokser doctor` says how to get one."
    return f"Name the folder into which the corpus was unpacked; {text[:1].lower()}{text[1:]}"


def _contents(root: Path) -> str:
    names = sorted(path.name for path in root.iterdir())
    return f"a folder that contains {list_some(names)}" if names else "an empty folder"
