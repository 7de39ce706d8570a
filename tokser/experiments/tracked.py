"""What experiment trackers are told of finished results and models: settings and scores.

A tracker is told once of a folder: `tracked.json` there says which ones were. So the same command
with `--track` on results that are finished tells of them, and tells nothing twice.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokser.durable import write_atomically
from tokser.errors import RunError
from tokser.experiments.models.model import Estimate
from tokser.experiments.results import tables_in
from tokser.progress import say
from tokser.temporary_changes import environment_restored
from tokser.trackers import trackers_of

__all__ = ["TRACKED", "track_model", "track_results"]

TRACKED = "tracked.json"
_UNFIT = re.compile(r"[^A-Za-z0-9_\-. /]+")
"""What names of metrics may not hold, in MLflow."""


def track_results(folder: Path, names: Sequence[str], settings: Mapping[str, Any]) -> None:
    """Tell trackers of the scores in a results folder.

    Args:
        folder: A finished folder of `tokser classify` or `tokser regress`.
        names: The trackers.
        settings: What made it.

    Raises:
        MissingPackageError: A tracker is not installed.
        RunError: A tracker refused, or was not reached; the results are not affected.
    """
    if names:
        _tell(folder, names, settings, _scores_in(folder))


def track_model(
    folder: Path, names: Sequence[str], settings: Mapping[str, Any], estimate: Estimate | None
) -> None:
    """Tell trackers of a model: its settings, and the score to expect.

    Args:
        folder: Of the model.
        names: The trackers.
        settings: What made it.
        estimate: Its score; None: unknown.

    Raises:
        MissingPackageError: A tracker is not installed.
        RunError: A tracker refused, or was not reached; the model is not affected.
    """
    if not names:
        return
    scores: dict[str, float] = {}
    if estimate is not None:
        ends = {"low": estimate.low, "high": estimate.high}
        known = {f"{estimate.metric}_{k}": end for k, end in ends.items() if end is not None}
        scores = {estimate.metric: estimate.score, **known, "num_test": estimate.num_test}
    _tell(folder, names, settings, scores)


def _scores_in(folder: Path) -> dict[str, float]:
    """Return every score by configuration: `speaker/logreg/whisper-base/layer-3/uar`."""
    tables = tables_in(folder)
    table = tables.summary or tables.scores
    found: dict[str, float] = {}
    keys = ["protocol", *(["target"] if tables.has_targets else []), tables.head, "features"]
    rows = table.read(folder / table.file)
    if tables.summary is None and rows["seed"].nunique() > 1:
        keys.append("seed")
    metrics = [tables.metric, f"{tables.metric}_low", f"{tables.metric}_high"]
    metrics += [name for name in ("accuracy", "macro_f1", "pearson", "rmse") if name in rows]
    for row in rows.to_dict("records"):
        place = "/".join(str(row[key]) for key in keys)
        values = {name: float(row[name]) for name in metrics}
        found |= {_name(f"{place}/{n}"): v for n, v in values.items() if v == v}
    return found


def _name(text: str) -> str:
    return _UNFIT.sub("_", text)


def _tell(
    folder: Path, names: Sequence[str], settings: Mapping[str, Any], scores: Mapping[str, float]
) -> None:
    told = _told(folder)
    for name in dict.fromkeys(names):
        if name in told:
            say(f"--track {name}: was told of {folder} before")
            continue
        try:
            _log(folder, name, settings, scores)
        except (OSError, RuntimeError, ValueError) as error:
            if isinstance(error, RunError):
                raise
            raise RunError(
                f"--track {name}",
                expected="a tracker that takes settings and scores",
                got=str(error),
                remedy=f"{folder} is finished; the same command tells the tracker again.",
            ) from error
        told = [*told, name]
        write_atomically(folder / TRACKED, json.dumps(told).encode())


def _log(folder: Path, name: str, settings: Mapping[str, Any], scores: Mapping[str, float]) -> None:
    with environment_restored(MLFLOW_ALLOW_FILE_STORE="true"):
        logger: Any = trackers_of([name], folder, settings)[name]
        logger.log_metrics(dict(scores), step=0)
        logger.save()
        logger.finalize("success")
        if name == "wandb":
            logger.experiment.finish()  # or the next folder would be told to the same run


def _told(folder: Path) -> list[str]:
    try:
        found = json.loads((folder / TRACKED).read_bytes())
    except (FileNotFoundError, ValueError):
        return []
    return [str(name) for name in found] if isinstance(found, list) else []
