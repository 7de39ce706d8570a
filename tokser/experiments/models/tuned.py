"""The tuned blocks whose layers a model reads: found by their digest, checked, copied."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tokser.checksummed_folder import ChecksummedFolder
from tokser.errors import DamagedFileError, MissingInputError, list_some
from tokser.experiments.models.recipe import FeatureRecipe, GroupRecipe
from tokser.progress import say

__all__ = ["find_tuned", "places_of_folds"]

_FILES = ("tuned.json", "tuned.safetensors")
_AGAIN = "Run the same `tokser tune` again, which trains what is damaged or missing."


def places_of_folds(store: str, named: Sequence[Path] = ()) -> list[Path]:
    """Return where the folders of `tokser tune` may lie.

    Args:
        store: Folder or URL of the store; of a workspace, results lie in `results` beside `stores`.
        named: Folders that were named: of a fold, of results, or a folder of results.
    """
    beside = [] if "://" in store else [Path(store).absolute().parent.parent / "results"]
    return [*named, *beside]


def find_tuned(
    recipe: FeatureRecipe, places: Sequence[Path], *, is_needed: bool
) -> dict[str, Path]:
    """Find the folder of all tuned blocks that a recipe names, by name of their group.

    Args:
        recipe: What a model reads.
        places: Folders of folds, or folders that hold some.
        is_needed: Whether one that is not found is an error; else it is only said.

    Raises:
        MissingInputError: There is no such folder.
        DamagedFileError: A file of the folder is damaged.
    """
    found: dict[str, Path] = {}
    for group in recipe.groups:
        if group.is_tuned:
            place = _find(group, places, is_needed=is_needed)
            if place is not None:
                found[group.name] = place
    return found


def _find(group: GroupRecipe, places: Sequence[Path], *, is_needed: bool) -> Path | None:
    for place in _candidates(places):
        if _digest(place) == group.weights_sha256:
            for name in _FILES:
                ChecksummedFolder(place).require_whole(name, _AGAIN)
            return place
    where = list_some([str(place) for place in places]) or "no place"
    if not is_needed:
        say(
            f"{group.name}: no tuned blocks with these weights in {where}: its models predict from "
            "stores, not from recordings"
        )
        return None
    raise MissingInputError(
        f"{group.name}/{next(iter(group.features))}",
        expected="the folder of the fold that `tokser apply` read, with weights of sha256 "
        f"{group.weights_sha256}, since a model keeps its tuned blocks",
        got=f"none in {where}",
        remedy="Name the folder (OUT/folds/NAME of `tokser tune`, or OUT) with --run.",
    )


def _candidates(places: Sequence[Path]) -> Iterator[Path]:
    """Yield folders of folds at or below some places."""
    for place in places:
        for pattern in ("", "folds/*/", "*/folds/*/"):
            for file in sorted(place.glob(f"{pattern}{_FILES[1]}")):
                yield file.parent


def _digest(folder: Path) -> str | None:
    try:
        return ChecksummedFolder(folder).digest(_FILES[1])
    except DamagedFileError:
        return None
