"""Models that standardise by speaker: all recordings of a speaker come before any prediction."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tokser.corpora.manifest import Manifest
from tokser.errors import InputError, SettingsError, list_some
from tokser.experiments.models import FeatureRecipe, Model
from tokser.functionals.rounding import rounding_of, rounding_of_vectors
from tokser.prediction.featurise import Featurised
from tokser.store import FeatureName

__all__ = ["predict_by_speaker", "require_speakers", "with_functionals"]

_FUNCTIONALS, _MOMENTS = "functionals of ", "moments of "
"""Beginnings of the columns of a chunk."""


def require_speakers(model: Model, recordings: Manifest, *, in_windows: bool) -> None:
    """Raise unless every recording has a speaker of whom there are several.

    Raises:
        InputError: A speaker is unknown, or has one recording.
        SettingsError: Recordings are cut into windows.
    """
    if model.standardise != "speaker":
        return
    if in_windows:
        raise SettingsError(
            "--window",
            expected="a model that standardises functionals globally",
            got="one that standardises by speaker, over whole recordings",
            remedy="Predict whole recordings, or fit a model with --standardise global.",
        )
    speakers = recordings.table["speaker"]
    counts = speakers[speakers.ne("")].value_counts()
    unknown, alone = list(speakers.index[speakers.eq("")]), sorted(counts.index[counts < 2])
    if unknown or alone:
        got = f"no speaker for {list_some(unknown, most=3)}" if unknown else ""
        got = got or f"one recording of {list_some(alone, most=3)}"
        raise InputError(
            "inputs",
            expected="a speaker for each recording, and several recordings of each, since the "
            "model standardises functionals by speaker",
            got=got,
            remedy="Name a manifest (CSV) with the columns path and speaker, or fit a model with "
            "--standardise global.",
        )


def with_functionals(table: pd.DataFrame, featurised: Featurised) -> pd.DataFrame:
    """Add functionals to the rows of a chunk, whose predictions have to wait."""
    columns: dict[str, Any] = {}
    for beginning, found in ((_FUNCTIONALS, featurised.vectors), (_MOMENTS, featurised.moments)):
        for name, vectors in found.items():
            cells = [None if reason else vectors.get(row) for row, reason in _rows(table)]
            columns[f"{beginning}{name}"] = pd.Series(cells, index=table.index, dtype=object)
    return table.assign(**columns)


def predict_by_speaker(model: Model, table: pd.DataFrame, recordings: Manifest) -> pd.DataFrame:
    """Predict the rows of all chunks together.

    Args:
        model: The model.
        table: The rows, as `with_functionals` left them, without quarantined ones.
        recordings: Names the speaker of each.

    Returns:
        Index id; the model's columns.
    """
    index = pd.Index(table["row"], name="id")
    tables, rounding = {}, {}
    for term in model.terms:
        values, moments = (
            pd.DataFrame(np.stack(table[f"{of}{term}"].to_list()).astype(np.float32), index=index)
            for of in (_FUNCTIONALS, _MOMENTS)
        )
        tables[str(term)] = values
        if model.recipe.is_utterance_level(term.feature):
            rounding[str(term)] = rounding_of_vectors(values)
            continue
        rounding[str(term)] = rounding_of(
            values, moments.to_numpy(), term.functionals, **_rounded(model.recipe, term.feature)
        )
    speakers = recordings.table["speaker"].loc[index]
    return model.predict_functionals(tables, speakers=speakers, rounding=rounding)


def _rows(table: pd.DataFrame) -> list[tuple[str, str | None]]:
    reasons = table["reason"].where(table["reason"].notna(), None)
    return list(zip(table["row"], reasons, strict=True))


def _rounded(recipe: FeatureRecipe, feature: str) -> Mapping[str, str]:
    """Return the type that a feature's rows are held in, and the precision of its encoder."""
    name = FeatureName.parse(feature)
    group = recipe.group(name.group)
    use = group.features[name.feature]
    precision = str(group.provenance.get("precision", "float32"))
    return {"dtype": use.dtype or "float16", "precision": precision}
