"""How much each layer of a mix weighs, with an interval over folds."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from tokser.experiments.results import MIX
from tokser.intervals import jackknife

__all__ = ["mix_rows"]


def mix_rows(trials: Sequence[pd.DataFrame]) -> list[dict[str, Any]]:
    """Average the weights of what each fold selected.

    The folds' models share most of their training data: the interval says how much the weights
    depend on who is left out, and no more.

    Args:
        trials: Of each seed; what has no mix has no row.
    """
    selected = [table[table["selected"]] for table in trials]
    layers = dict.fromkeys(name for table in selected for name in table if name.startswith(MIX))
    rows = []
    for name in layers:
        found = pd.concat([t.set_index("fold")[name] for t in selected if name in t]).dropna()
        if found.empty:
            continue
        by_fold = found.groupby(level=0).mean().to_numpy(dtype=float)
        weight, num = float(by_fold.mean()), len(by_fold)
        without = (by_fold.sum() - by_fold) / max(num - 1, 1)
        interval = jackknife(weight, without, scale="difference", num_observations=num)
        rows.append(
            {
                "layer": name.removeprefix(MIX),
                "weight": weight,
                "weight_low": interval.low,
                "weight_high": interval.high,
                "no_interval": interval.missing,
                "num_folds": num,
                "num_seeds": len(selected),
            }
        )
    return rows
