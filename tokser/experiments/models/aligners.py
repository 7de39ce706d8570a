"""The checkpoints of aligners whose features a model reads: found, checked, copied."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokser.checksummed_folder import ChecksummedFolder
from tokser.durable import sha256_of_file
from tokser.errors import CheckpointError, MissingInputError
from tokser.experiments.feature_expressions import Term
from tokser.progress import say
from tokser.store import FeatureName, Store

__all__ = ["find_aligners", "places_of_runs"]

_WEIGHTS = "aligner.safetensors"
"""As `tokser.pretrain.checkpoint` writes it, which imports torch."""


def places_of_runs(store: str, named: Sequence[Path] = ()) -> list[Path]:
    """Return where the folders of pretraining runs may lie.

    Args:
        store: Folder or URL of the store; of a workspace, the runs lie in `runs` beside `stores`.
        named: Folders that were named: a run, or a folder of runs.
    """
    beside = [] if "://" in store else [Path(store).absolute().parent.parent / "runs"]
    return [*named, *beside]


def find_aligners(
    store: Store, terms: Iterable[Term], places: Sequence[Path], *, is_needed: bool
) -> dict[str, Path]:
    """Find the run of each aligner whose features are used, by name of its group.

    Args:
        store: The store.
        terms: What is used.
        places: Folders of runs, or folders that hold some.
        is_needed: Whether one that is not found is an error; else it is only said.

    Raises:
        MissingInputError: There is no such run.
        CheckpointError: The runs of that name have other weights.
        DamagedFileError: The run's description is damaged.
    """
    found: dict[str, Path] = {}
    for term in dict.fromkeys(terms):
        name = FeatureName.parse(term.feature)
        made_by = _aligner_of(store, name)
        if made_by is not None and name.group not in found:
            place = _find(name.group, str(made_by["weights_sha256"]), places, is_needed=is_needed)
            if place is not None:
                found[name.group] = place
    return found


def _aligner_of(store: Store, name: FeatureName) -> Mapping[str, Any] | None:
    """Return what made a feature, if that is an aligner."""
    if str(name) in store:
        layer = store[str(name)]
        return layer.provenance if layer.kind == "aligned" else None
    made_by = store[str(name.functionals())].provenance["source"]
    return made_by if "variant" in made_by else None


def _find(run: str, wanted: str, places: Sequence[Path], *, is_needed: bool) -> Path | None:
    others: dict[Path, str] = {}
    for place in [folder for near in places for folder in (near, near / run)]:
        weights = place / _WEIGHTS
        if weights.is_file():
            digest = sha256_of_file(weights)
            if digest == wanted:
                ChecksummedFolder(place).require_whole(
                    "aligner.json", "Run the same `tokser pretrain` again, which repairs it."
                )
                return place
            if place.name == run:
                others[place] = digest
    where = ", ".join(map(str, places)) or "no place"
    if not is_needed:
        say(
            f"{run}/aligned: no run with these weights in {where}: its models predict from stores, "
            "not from recordings"
        )
        return None
    if others:
        place, digest = next(iter(others.items()))
        raise CheckpointError(
            place / _WEIGHTS,
            expected=f"the weights that made {run}/aligned in the store, sha256 {wanted}",
            got=f"sha256 {digest}",
            remedy="Name the run that made it with --run, or run `tokser align` again.",
        )
    raise MissingInputError(
        f"{run}/aligned",
        expected="the folder of the pretraining run that made it, since a model keeps its aligner",
        got=f"none in {where}",
        remedy="Name the folder with --run.",
    )
