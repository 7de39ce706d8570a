"""Published splits as folds of a store's utterances."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from tokser.errors import InputError, list_some
from tokser.experiments.splits.files import SplitPlan
from tokser.experiments.splits.protocols import Split
from tokser.experiments.splits.published.forms import FORMS, stem_of
from tokser.experiments.splits.published.named_parts import PARTS, NamedFold
from tokser.progress import say, warn
from tokser.provenance import digest_of

__all__ = ["published_digest", "read_published"]

_MOST_FAULTS = 12


def read_published(where: Path, form: str, utterances: pd.DataFrame) -> dict[str, SplitPlan]:
    """Read splits in the form in which they were published.

    A recording is found by its id, or by its file name without folders and ending.

    Args:
        where: The file or folder, as its makers published it.
        form: `emobox`, `emo-superb`, `superb`, `msp-podcast` or `meld`.
        utterances: All of a store: column `path`; index = id.

    Returns:
        A plan for each protocol of the files. Utterances of the store that no part names are left
        out, and a message says how many; so are recordings that the store lacks.

    Raises:
        MissingInputError: There is no such file.
        InputError: The files have another form, name a recording in two parts of a fold, or name
            none of a part that the store has.
    """
    folds = FORMS[form](where)
    known = _Names(utterances)
    faults: list[str] = []
    by_protocol: dict[str, list[Split]] = {}
    missing: dict[str, None] = {}
    for fold in folds:
        split = _split(fold, known, faults, missing)
        by_protocol.setdefault(fold.protocol, []).append(split)
    if faults:
        raise InputError(
            f"--splits {where}",
            expected=f"folds of {form} over the utterances of the store",
            got=list_some(faults, most=_MOST_FAULTS)
            + (f"; not in the store: {list_some(list(missing))}" if missing else ""),
            remedy="Name the splits of this corpus, or extract the recordings that they name.",
        )
    _tell(str(where), folds, by_protocol, utterances, missing)
    return {name: SplitPlan({None: tuple(found)}) for name, found in by_protocol.items()}


def published_digest(where: Path, form: str) -> str:
    """Return the digest of what published splits say, wherever their files lie."""
    return digest_of([[f.protocol, f.fold, f.parts] for f in FORMS[form](where)])


class _Names:
    """Finds utterances by what others call them."""

    def __init__(self, utterances: pd.DataFrame) -> None:
        self._ids = set(map(str, utterances.index))
        stems: dict[str, list[str]] = {}
        for name, path in zip(utterances.index, utterances["path"], strict=True):
            for stem in {stem_of(str(name)), stem_of(str(path))}:
                stems.setdefault(stem, []).append(str(name))
        self._by_stem = stems

    def find(self, names: Sequence[str]) -> list[str]:
        """Return the utterances that a recording may be by its names: one, none, or several."""
        for name in names:
            if name in self._ids:
                return [name]
        found = (self._by_stem.get(stem_of(name), []) for name in names)
        return next(filter(None, found), [])


def _split(fold: NamedFold, known: _Names, faults: list[str], missing: dict[str, None]) -> Split:
    where = f"{fold.protocol}, fold {fold.fold}"
    parts: dict[str, dict[str, None]] = {part: {} for part in PARTS}
    place_of: dict[str, str] = {}
    for part in PARTS:
        for names in fold.parts.get(part, ()):
            found, name = known.find(names), names[0]
            if len(found) > 1:
                faults.append(f"{where}: {name} may be {list_some(found)}")
            elif not found:
                missing[name] = None
            elif place_of.setdefault(found[0], part) != part:
                faults.append(f"{where}: {name} is in {place_of[found[0]]} and {part}")
            else:
                parts[part][found[0]] = None
        if not parts[part] and (part != "dev" or fold.parts.get("dev")):
            number = len(fold.parts.get(part, ()))
            what = f"none of its {number:,} recordings is in the store" if number else "is empty"
            faults.append(f"{where}: {part}: {what}")
    train, dev, test = (tuple(sorted(parts[part])) for part in PARTS)
    return Split(fold.fold, train, dev, test)


def _tell(
    where: str,
    folds: Sequence[NamedFold],
    by_protocol: Mapping[str, Sequence[Split]],
    utterances: pd.DataFrame,
    missing: Mapping[str, None],
) -> None:
    """Say what was read, what the store lacks, and what of it no part names."""
    if missing:
        total = len({names[0] for fold in folds for part in fold.parts.values() for names in part})
        warn(
            f"--splits {where}: {len(missing):,} of {total:,} recordings are not in the store and "
            f"are left out, so scores are not those of the complete splits: "
            f"{list_some(list(missing))}"
        )
    for protocol, splits in by_protocol.items():
        used = {n for s in splits for part in (s.train, s.dev, s.test) for n in part}
        unused = len(utterances) - len(used)
        rest = f"; {unused:,} utterances of the store are in no part" if unused else ""
        say(f"{protocol}: {len(splits)} folds of {len(used):,} utterances{rest}")
