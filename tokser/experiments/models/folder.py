"""The folder that keeps a model: `model.json`, `weights.safetensors`, `README.md`, checksums.

`README.md` is the model card. It is no part of the model and is not checksummed: who publishes a
model completes it by hand.
"""

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from tokser.checksummed_folder import INDEX, ChecksummedFolder
from tokser.durable import write_atomically
from tokser.errors import (
    CheckpointError,
    DamagedFileError,
    MissingInputError,
    SettingsError,
    list_some,
    shortened,
)
from tokser.experiments.feature_expressions import Early, Term
from tokser.experiments.heads.registry import TRAINED_HEADS, restore_head
from tokser.experiments.heads.trained_foreign import FOREIGN_BYTES, foreign_types
from tokser.experiments.heads.trained_head import FittedHead
from tokser.experiments.models.calibration import Calibration, KeptThreshold
from tokser.experiments.models.document import FORMAT, MemberDocument, ModelDocument, describe
from tokser.experiments.models.member import Member
from tokser.experiments.models.model import Estimate, Model
from tokser.experiments.models.recipe import FeatureRecipe, FeatureUse, GroupRecipe
from tokser.experiments.task import TargetScale
from tokser.functionals.standardise import Standardiser
from tokser.names import is_safe_key
from tokser.provenance import digest_of

__all__ = ["DESCRIPTION", "WEIGHTS", "load_model", "save_model", "types_within", "write_model"]

DESCRIPTION = "model.json"
WEIGHTS = "weights.safetensors"
_ALIGNER_FILES = ("aligner.json", "aligner.safetensors")
_TUNED_FILES = ("tuned.json", "tuned.safetensors")
_AGAIN = "Copy the folder again, or run the command that made it."


def save_model(model: Model, folder: Path) -> None:
    """Write a model into a new folder, the whole of it or nothing.

    Raises:
        SettingsError: The folder holds something else.
    """
    content = describe(model)
    made_of = digest_of(content)
    if folder.is_dir() and any(folder.iterdir()):
        if ChecksummedFolder(folder).made_of == made_of:
            return
        raise SettingsError(
            folder,
            expected="a new folder",
            got="one that holds other things",
            remedy="Name another folder, or remove this one.",
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{folder.name}.", suffix=".partial"))
    try:
        ChecksummedFolder(made).begin(made_of)
        write_model(model, made, name=folder.name)
        if folder.is_dir():
            folder.rmdir()
        made.chmod(0o755)
        made.replace(folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def write_model(
    model: Model, folder: Path, member_folders: tuple[str, ...] = (), *, name: str = ""
) -> list[str]:
    """Write a model's files into a checksummed folder that was begun; its index names them last.

    Args:
        model: The model.
        folder: Where.
        member_folders: Model folders that hold its members, relative to this one; none: this one.
        name: Of the model in its card; by default the folder's.

    Returns:
        Names of the files.
    """
    from tokser.experiments.models.card import CARD, model_card  # who reads a model needs none

    write_atomically(folder / CARD, model_card(model, name or folder.resolve().name).encode())
    checksummed = ChecksummedFolder(folder)
    copied = []
    for own, places, names in (
        ("aligners", model.recipe.aligners, _ALIGNER_FILES),
        ("tuned", model.recipe.tuned, _TUNED_FILES),
    ):
        for run, place in places.items():
            inner = ChecksummedFolder(folder / own / run)
            inner.put({one: (place / one).read_bytes() for one in names})
            copied += [f"{own}/{run}/{one}" for one in (*names, INDEX)]
    checksummed.note(*copied)
    content = describe(model, member_folders)
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    arrays = {} if member_folders else _arrays(model)
    checksummed.put({WEIGHTS: save(arrays), DESCRIPTION: text.encode()})
    return [*copied, WEIGHTS, DESCRIPTION]


def load_model(folder: str | Path, *, trusted: Sequence[str] = ()) -> Model:
    """Read a model back, all of it or an error.

    Args:
        folder: A model folder, of `tokser fit` or of one fold.
        trusted: Names of types (`package.module.Class`) that an estimator which is not tokser's own
            may hold, beside those of scikit-learn.

    Raises:
        MissingInputError: There is no model, or a file of it is not there.
        DamagedFileError: A file is not as it was written.
        CheckpointError: The format is a later one, the kind of a head is unknown, or what is there
            does not fit together.
    """
    return _load(Path(folder), trusted, may_refer=True)


def types_within(folder: Path) -> list[str]:
    """Return the types of other packages that a model folder holds, for whoever just made it."""
    arrays = load((folder / WEIGHTS).read_bytes())
    found = [foreign_types(one) for name, one in arrays.items() if name.endswith(FOREIGN_BYTES)]
    return sorted({name for names in found for name in names})


def _load(folder: Path, trusted: Sequence[str], *, may_refer: bool) -> Model:
    _require_whole(folder)
    document = _read_document(folder / DESCRIPTION)
    try:
        arrays = load((folder / WEIGHTS).read_bytes())
    except (SafetensorError, ValueError, TypeError, LookupError) as error:
        raise _broken(folder / WEIGHTS, "arrays in safetensors", str(error)) from error
    _refuse_unlike(folder, document, may_refer=may_refer)
    members = tuple(
        _member_elsewhere(folder, member, trusted)
        if member.folder
        else _loaded_member(folder, number, member, document, arrays, trusted)
        for number, member in enumerate(document.members)
    )
    return Model(
        task=document.task,
        target=document.target,
        dataset=document.dataset,
        features=document.features,
        classes=document.classes,
        members=members,
        how=document.how,
        weights=document.weights,
        recipe=_recipe(folder, document),
        standardise=document.standardise,
        estimate=Estimate(**document.estimate.model_dump()) if document.estimate else None,
        provenance=document.provenance,
        calibration=_calibration(document),
    )


def _calibration(document: ModelDocument) -> Calibration | None:
    found = document.calibration
    if found is None:
        return None
    thresholds = tuple(KeptThreshold(**one.model_dump()) for one in found.thresholds)
    return Calibration(**(dict(found) | {"thresholds": thresholds}))


def _require_whole(folder: Path) -> None:
    if not (folder / DESCRIPTION).is_file():
        is_begun = (folder / "begun.json").is_file()
        raise MissingInputError(
            folder / DESCRIPTION,
            expected="a model folder, which `tokser fit` writes",
            got="one that was begun and not finished" if is_begun else "no such file",
            remedy="Run the same `tokser fit` again to finish it."
            if is_begun
            else "Correct the path.",
        )
    for name, fault in ChecksummedFolder(folder).faults().items():
        kind = MissingInputError if fault == "is gone" else DamagedFileError
        raise kind(
            folder / name,
            expected=f"the file that was written, whose digest is in {INDEX}",
            got=f"one that {fault}",
            remedy=_AGAIN,
        )
    ChecksummedFolder(folder).require_whole(DESCRIPTION, _AGAIN)
    ChecksummedFolder(folder).require_whole(WEIGHTS, _AGAIN)


def _read_document(file: Path) -> ModelDocument:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        found = content["format"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _broken(file, "the description of a model", shortened(str(error))) from error
    if found != FORMAT or isinstance(found, bool):
        raise CheckpointError(
            file,
            expected=f"a model of format {FORMAT}",
            got=f"format {shortened(repr(found), 60)}",
            remedy="Update tokser: a later version made it.",
        )
    try:
        return ModelDocument.model_validate(content)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise _broken(file, "the description of a model", list_some(faults)) from error


def _loaded_member(
    folder: Path,
    number: int,
    member: MemberDocument,
    document: ModelDocument,
    arrays: Mapping[str, np.ndarray],
    trusted: Sequence[str],
) -> Member:
    prefix = f"member-{number}/"
    own = {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
    if member.kind not in TRAINED_HEADS:
        raise CheckpointError(
            folder / DESCRIPTION,
            expected=f"heads among {', '.join(TRAINED_HEADS)}",
            got=shortened(repr(member.kind), 60),
            remedy="Update tokser: a later version made it.",
        )
    try:
        mean, scale = own.pop("scaling/mean"), own.pop("scaling/scale")
        learnt = {name.removeprefix("head/"): array for name, array in own.items()}
        _refuse_not_finite(mean, scale, learnt)
        head = restore_head(member.kind, member.description, learnt, trusted)
        terms = tuple(Term(term.feature, term.functionals, term.mixed) for term in member.terms)
        widths = tuple(term.width for term in member.terms)
        _refuse_other_shapes(head.num_features, widths, mean, scale)
        if head.num_outputs != len(document.classes):
            raise ValueError(f"{head.num_outputs} outputs for {len(document.classes)} classes")
    except CheckpointError:
        raise
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        got = f"no {error}" if isinstance(error, KeyError) else shortened(str(error))
        expected = f"the weights of a head {member.kind!r}, finite and of its shapes"
        raise _broken(folder / WEIGHTS, f"{expected}, in {prefix}", got) from error
    target_scale = member.target_scale
    fitted = FittedHead(
        head,
        Standardiser(mean.astype(np.float64), scale.astype(np.float64)),
        None if target_scale is None else TargetScale(target_scale.mean, target_scale.scale),
    )
    return Member(Early(terms), widths, fitted, member.head, member.params, member.dev_score)


def _member_elsewhere(folder: Path, member: MemberDocument, trusted: Sequence[str]) -> Member:
    """Read a member that the model of another folder holds."""
    place = folder / member.folder
    if not (place / DESCRIPTION).is_file():
        raise MissingInputError(
            place,
            expected=f"a model folder that {folder / DESCRIPTION} names as its member",
            got="no such folder",
            remedy="Copy the folder `models` as a whole.",
        )
    found = _load(place, trusted, may_refer=False).members
    if len(found) != 1:
        raise _broken(folder / DESCRIPTION, f"one member in {place}", str(len(found)))
    return found[0]


def _refuse_not_finite(
    mean: np.ndarray, scale: np.ndarray, learnt: Mapping[str, np.ndarray]
) -> None:
    broken = [name for name, array in learnt.items() if not np.isfinite(array).all()]
    if not np.isfinite(mean).all():
        broken.append("scaling/mean")
    if np.isnan(scale).any() or (scale <= 0).any():
        broken.append("scaling/scale")
    if broken:
        raise ValueError(f"numbers that are not finite in {list_some(broken)}")


def _refuse_other_shapes(
    num_features: int, widths: tuple[int, ...], mean: np.ndarray, scale: np.ndarray
) -> None:
    wanted = (sum(widths),)
    if not mean.shape == scale.shape == wanted or num_features != wanted[0]:
        raise ValueError(
            f"weights for {num_features} functionals and scales for {mean.shape} and "
            f"{scale.shape}, where the features have {wanted[0]}"
        )


def _refuse_unlike(folder: Path, document: ModelDocument, *, may_refer: bool) -> None:
    """Refuse parts of a description that do not fit each other."""
    number = len(document.members)
    faults = []
    if not number or (document.how == "single" and number != 1):
        faults.append(f"{number} members of a model that is {document.how}")
    if document.how == "weighted" and len(document.weights) != number:
        faults.append(f"{len(document.weights)} weights of {number} members")
    if (document.task == "classification") != bool(document.classes):
        faults.append(f"{len(document.classes)} classes for {document.task}")
    if document.calibration is not None and not document.classes:
        faults.append("a calibration of numbers")
    if not may_refer and any(member.folder for member in document.members):
        faults.append("a member that refers to a folder, in a folder that is referred to")
    recipe = document.recipe
    places = (*recipe.aligners.values(), *recipe.tuned.values())
    strange = [one for one in places if not is_safe_key(one)]
    if strange:
        faults.append(f"checkpoints outside the folder, {list_some(strange)}")
    if faults:
        raise _broken(folder / DESCRIPTION, "parts that fit each other", "; ".join(faults))


def _recipe(folder: Path, document: ModelDocument) -> FeatureRecipe:
    groups = tuple(
        GroupRecipe(
            group.name,
            group.kind,
            group.source,
            group.provenance,
            {
                name: FeatureUse(use.dim, use.dtype, use.functionals)
                for name, use in group.features.items()
            },
        )
        for group in document.recipe.groups
    )
    aligners = {name: folder / place for name, place in document.recipe.aligners.items()}
    tuned = {name: folder / place for name, place in document.recipe.tuned.items()}
    return FeatureRecipe(groups, document.recipe.languages, aligners, tuned)


def _arrays(model: Model) -> dict[str, np.ndarray]:
    arrays: dict[str, Any] = {}
    for number, member in enumerate(model.members):
        own = {f"head/{name}": array for name, array in member.fitted.head.arrays().items()}
        own["scaling/mean"] = member.fitted.scaling.mean
        own["scaling/scale"] = member.fitted.scaling.scale
        arrays |= {f"member-{number}/{n}": np.ascontiguousarray(a) for n, a in own.items()}
    return arrays


def _broken(file: Path, expected: str, got: str) -> CheckpointError:
    return CheckpointError(file, expected=expected, got=got, remedy=_AGAIN)
