"""What a store's group of functionals holds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokser.store import FeatureSpec, GroupPlan
from tokser.store.feature_name import FeatureName, functionals_group

__all__ = ["functionals_plan"]


def functionals_plan(
    group: str,
    dims: Mapping[str, int],
    lengths: NDArray[np.int64],
    source: Mapping[str, Any],
    extra: Sequence[str] = (),
    *,
    utterance_level: bool = False,
) -> GroupPlan:
    """Plan the group that holds the functionals of a group's features.

    Args:
        group: Name of the group.
        dims: Width of the rows, by feature.
        lengths: Rows of each utterance; one without any has no functionals.
        source: Provenance of the rows.
        extra: Functionals beyond mean and standard deviation.
        utterance_level: Whether the features have one row for each utterance, which is kept as
            it is.
    """
    specs = {}
    for name, dim in dims.items():
        specs[name] = FeatureSpec(dim=dim if utterance_level else 2 * dim, dtype="float32")
        for functional in extra:
            specs[FeatureName(group, name, functional).array] = FeatureSpec(
                dim=dim, dtype="float32"
            )
    return GroupPlan(
        name=functionals_group(group),
        kind="functionals",
        features=specs,
        lengths=(lengths > 0).astype(np.int64),
        provenance={"moments": ["mean", "population std"], "source": dict(source)},
    )
