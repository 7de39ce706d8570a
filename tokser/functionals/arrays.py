"""Functionals as other libraries take them: matrices for scikit-learn, an array for xarray."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tokser.errors import InputError, MissingPackageError, SettingsError, list_some
from tokser.functionals.moments import MOMENTS
from tokser.functionals.tables import read_functionals
from tokser.store import FeatureName, Store

if TYPE_CHECKING:
    import xarray

__all__ = ["DesignMatrix", "data_array", "design_matrix"]

_COORDINATES = ("label", "speaker", "sex", "session", "language", "transcript")
"""Columns of the manifest that go with an xarray, along its utterances."""


class DesignMatrix(NamedTuple):
    """What scikit-learn takes; the same row of each is the same utterance.

    Attributes:
        X: Functionals, float32 [utterances, width], C-contiguous.
        y: Labels [utterances].
        groups: Speakers [utterances], for `LeaveOneGroupOut` and `GroupKFold`.
        ids: Ids [utterances].
    """

    X: NDArray[np.float32]
    y: NDArray[np.str_]
    groups: NDArray[np.str_]
    ids: NDArray[np.str_]


def design_matrix(
    store: Store,
    features: str | Sequence[str],
    *,
    functionals: Sequence[str] = MOMENTS,
    labelled: bool = True,
) -> DesignMatrix:
    """Return the functionals of features side by side, with labels and speakers, joined by id.

    Args:
        store: The store, pooled.
        features: Name of a feature, or names; patterns such as `wavlm-base/layer-*` stand for all
            pooled features that match. Utterances that lack one of them are left out.
        functionals: `mean`, `std`, and whatever else `tokser pool --functional` wrote.
        labelled: Leave utterances without a label out.

    Raises:
        SettingsError: There is no such feature or functional.
        InputError: No utterance has a label, and `labelled` is set.
    """
    names = _written_out(store, features)
    tables = [read_functionals(store, name, functionals) for name in names]
    joined = pd.concat(tables, axis=1, join="inner")
    about = store.utterances.loc[joined.index]
    if labelled:
        if about["label"].eq("").all():
            raise InputError(
                store.path,
                expected="utterances with a label",
                got=f"none among {len(joined)}",
                remedy="Take them without labels: design_matrix(..., labelled=False).",
            )
        about = about[about["label"] != ""]
        joined = joined.loc[about.index]
    return DesignMatrix(
        X=np.ascontiguousarray(joined.to_numpy(dtype=np.float32)),
        y=about["label"].to_numpy(dtype=str),
        groups=about["speaker"].to_numpy(dtype=str),
        ids=about.index.to_numpy(dtype=str),
    )


def data_array(
    store: Store, features: str | Sequence[str], *, functionals: Sequence[str] = MOMENTS
) -> "xarray.DataArray":
    """Return the functionals of features of one width as an xarray.

    Args:
        store: The store.
        features: As in `design_matrix`; all of them must be equally wide.
        functionals: As in `design_matrix`.

    Returns:
        float32 with the dimensions `feature`, `utterance` (its id), `functional` and `dim`;
        labels, speakers and transcripts are coordinates along `utterance`, and what made each
        feature stands in `attrs`.

    Raises:
        SettingsError: There is no such feature or functional, or the widths differ.
        MissingPackageError: xarray is not installed.
    """
    labelled_array = _xarray().DataArray
    names = _written_out(store, features)
    tables = [read_functionals(store, name, functionals) for name in names]
    widths = [table.shape[1] // len(functionals) for table in tables]
    if len(set(widths)) > 1:
        raise SettingsError(
            store.path,
            expected="features of one width",
            got=list_some([f"{name} ({n})" for name, n in zip(names, widths, strict=True)]),
            remedy="Ask for the features of each encoder by themselves.",
        )
    ids = tables[0].index
    for table in tables[1:]:
        ids = ids.intersection(table.index, sort=False)
    values = np.stack([table.loc[ids].to_numpy(dtype=np.float32) for table in tables])
    about = store.utterances.loc[ids]
    array: xarray.DataArray = labelled_array(
        values.reshape(len(names), len(ids), len(functionals), -1),
        dims=("feature", "utterance", "functional", "dim"),
        coords={
            "feature": list(names),
            "utterance": ids.to_numpy(dtype=str),
            "functional": list(functionals),
            **{c: ("utterance", about[c].to_numpy(dtype=str)) for c in _COORDINATES},
        },
        name=store.dataset,
        attrs={name: _model(store, name) for name in names},
    )
    return array


def _written_out(store: Store, features: str | Sequence[str]) -> list[str]:
    """Write patterns out, in the store's order, and refuse what matches nothing."""
    wanted = [features] if isinstance(features, str) else list(features)
    known = store.pooled
    found: list[str] = []
    for pattern in wanted:
        matching = [name for name in known if fnmatchcase(name, pattern)]
        if not matching:
            raise SettingsError(
                store.path,
                expected=f"pooled features among {list_some(known, most=20) or 'none'}",
                got=repr(pattern),
                remedy=f"Correct the name, or run `tokser pool --store {store.path}`.",
            )
        found += matching
    return list(dict.fromkeys(found))


def _model(store: Store, feature: str) -> str:
    """Name the model behind functionals."""
    provenance = store[str(FeatureName.parse(feature).functionals())].provenance
    return str(provenance["source"].get("model", ""))


def _xarray() -> Any:
    try:
        import xarray
    except ImportError as error:
        raise MissingPackageError(
            "data_array",
            expected="the package xarray",
            got="none installed",
            remedy="Install it: pip install 'tokser[export]'.",
        ) from error
    return xarray
