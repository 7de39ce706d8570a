"""`model.json`: what a model folder says about its model (format 1)."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tokser.experiments.heads.registry import TRAINED_HEADS
from tokser.experiments.models.calibration import Calibration
from tokser.experiments.models.member import Member
from tokser.experiments.models.model import Estimate, Model
from tokser.experiments.models.recipe import FeatureRecipe
from tokser.provenance import versions
from tokser.redaction import redacted, redacted_values

__all__ = ["FORMAT", "MemberDocument", "ModelDocument", "describe"]

FORMAT = 1


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TermDocument(_Document):
    """One feature that a member reads."""

    feature: str
    functionals: tuple[str, ...]
    width: int
    """Number of functionals, or numbers in a frame of all its layers."""
    mixed: tuple[str, ...] = ()
    """Layers of a mix."""


class ScaleDocument(_Document):
    """What numbers of the training part were standardised by."""

    mean: float
    scale: float


class MemberDocument(_Document):
    """One head; its arrays begin with `member-<number>/` in `weights.safetensors`."""

    terms: tuple[TermDocument, ...]
    head: str
    """Name in settings."""
    params: dict[str, Any]
    dev_score: float | None = None
    kind: str
    """What the head is kept as."""
    description: dict[str, Any]
    target_scale: ScaleDocument | None = None
    folder: str = ""
    """Model folder that holds this member, relative to this one; empty: this one."""


class FeatureDocument(_Document):
    """A feature that an encoder computes, see `recipe.FeatureUse`."""

    dim: int
    dtype: str
    functionals: tuple[str, ...]


class GroupDocument(_Document):
    """An encoder or an aligner, see `recipe.GroupRecipe`."""

    name: str
    kind: Literal["speech", "text", "aligned"]
    source: str
    provenance: dict[str, Any]
    features: dict[str, FeatureDocument]


class RecipeDocument(_Document):
    """How functionals are computed, see `recipe.FeatureRecipe`."""

    languages: tuple[str, ...]
    groups: tuple[GroupDocument, ...]
    aligners: dict[str, str]
    """Folder of each aligner's checkpoint within the model folder."""
    tuned: dict[str, str] = {}
    """Folder of the checkpoint of tuned blocks, likewise."""


class EstimateDocument(_Document):
    """The honest score, see `model.Estimate`."""

    protocol: str
    metric: str
    score: float
    low: float | None
    high: float | None
    no_interval: str
    num_test: int
    unit: str
    num_units: int | None
    leaks: str
    results: str
    scores: dict[str, Any]
    classes: list[dict[str, Any]]
    confusion: list[dict[str, Any]]
    by_group: list[dict[str, Any]]
    gaps: list[dict[str, Any]] = []


class ThresholdDocument(_Document):
    """A threshold of prediction sets, see `calibration.KeptThreshold`."""

    exchangeable: Literal["speakers", "utterances"]
    level: float = Field(gt=0, lt=1)
    value: float | None
    num_calibrating: int
    promise: str


class CalibrationDocument(_Document):
    """Temperature and thresholds, see `calibration.Calibration`."""

    temperature: float = Field(gt=0, allow_inf_nan=False)
    set_score: Literal["lac", "aps", "aps-randomised"]
    thresholds: tuple[ThresholdDocument, ...]
    made_from: dict[str, Any]
    measures: list[dict[str, Any]]
    coverage: list[dict[str, Any]]


class ModelDocument(_Document):
    """All of `model.json`."""

    format: Literal[1]
    task: Literal["classification", "regression"]
    target: str
    dataset: str
    features: str
    classes: tuple[str, ...]
    how: Literal["single", "mean", "weighted"]
    weights: tuple[float, ...]
    standardise: Literal["global", "speaker"]
    members: tuple[MemberDocument, ...]
    recipe: RecipeDocument
    estimate: EstimateDocument | None
    calibration: CalibrationDocument | None = None
    provenance: dict[str, Any]
    versions: dict[str, str]


def describe(model: Model, folders: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a model as JSON has it.

    Args:
        model: The model.
        folders: Where members lie that other model folders hold, one for each member.
    """
    held = folders or ("",) * len(model.members)
    return {
        "format": FORMAT,
        "task": model.task,
        "target": model.target,
        "dataset": model.dataset,
        "features": model.features,
        "classes": list(model.classes),
        "how": model.how,
        "weights": list(model.weights),
        "standardise": model.standardise,
        "members": [_member(m, held[i]) for i, m in enumerate(model.members)],
        "recipe": _recipe(model.recipe),
        "estimate": None if model.estimate is None else _estimate(model.estimate),
        **({} if model.calibration is None else {"calibration": _calibration(model.calibration)}),
        "provenance": redacted_values(model.provenance),
        "versions": versions(),
    }


def _member(member: Member, folder: str) -> dict[str, Any]:
    scale = member.fitted.target_scale
    head = member.fitted.head
    if TRAINED_HEADS.get(head.kind) is not type(head):
        raise TypeError(f"{type(head).__name__} is not registered as {head.kind!r}")
    return {
        "terms": [
            {
                "feature": term.feature,
                "functionals": list(term.functionals),
                "width": width,
                "mixed": list(term.mixed),
            }
            for term, width in zip(member.features.terms, member.widths, strict=True)
        ],
        "head": member.head,
        "params": member.params,
        "dev_score": member.dev_score,
        "kind": head.kind,
        "description": head.description(),
        "target_scale": None if scale is None else {"mean": scale.mean, "scale": scale.scale},
        "folder": folder,
    }


def _recipe(recipe: FeatureRecipe) -> dict[str, Any]:
    tuned = {name: f"tuned/{name}" for name in recipe.tuned}
    return {
        "languages": list(recipe.languages),
        "groups": [
            {
                "name": group.name,
                "kind": group.kind,
                "source": redacted(group.source),
                "provenance": group.provenance,
                "features": {
                    name: {
                        "dim": use.dim,
                        "dtype": use.dtype,
                        "functionals": list(use.functionals),
                    }
                    for name, use in group.features.items()
                },
            }
            for group in recipe.groups
        ],
        "aligners": {name: f"aligners/{name}" for name in recipe.aligners},
        **({"tuned": tuned} if tuned else {}),
    }


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return vars(estimate) | {"results": redacted(estimate.results)}


def _calibration(calibration: Calibration) -> dict[str, Any]:
    thresholds = [one._asdict() for one in calibration.thresholds]
    return vars(calibration) | {"thresholds": thresholds}
