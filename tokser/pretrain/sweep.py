"""Pretraining over a grid of settings: the runs, and one table of them."""

import itertools
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from tokser.config import PretrainSettings, SweepSettings
from tokser.config.base import VARIANT_ALIASES
from tokser.errors import RunError, SettingsError
from tokser.pretrain.history import interval, percent
from tokser.pretrain.metrics import HEADLINE, best_epoch, read_metrics
from tokser.pretrain.run import run_pretraining
from tokser.progress import progress_bar, say
from tokser.provenance import write_atomically
from tokser.scheduling import workers
from tokser.store import open_store
from tokser.yaml_file import read_yaml

__all__ = ["load_sweep", "metrics_of", "run_all", "runs_of", "write_table"]

_MOST_RUNS = 1_000
"""Of one sweep: each is an hour or more."""


def load_sweep(path: Path, overrides: Mapping[str, Any]) -> SweepSettings:
    """Read a sweep file.

    Args:
        path: YAML with `name`, `out`, `pretrain` and `grid`.
        overrides: `out`, and settings of `tokser pretrain`, that were given besides.

    Raises:
        MissingInputError: There is no such file.
        SettingsError: It is no YAML, or a key or value is wrong.
    """
    content = read_yaml(
        path,
        kind="a sweep file",
        keys="name, out, pretrain and grid",
        example="pipelines/sweeps/whisper-base.yaml",
    )
    given = dict(overrides)
    out = given.pop("out", None)
    shared = {"pretrain": dict(content.get("pretrain") or {}) | given}
    settings = SweepSettings.parse(
        content | shared | ({"out": out} if out else {}), where=str(path)
    )
    twice = sorted(settings.grid.keys() & given.keys())
    if twice:
        raise SettingsError(
            f"{path}, {', '.join(twice)}",
            expected="a setting of the grid, or of the command",
            got="both",
            remedy="Take it out of one of them.",
        )
    list(runs_of(settings, where=str(path)))  # all faults before anything runs
    return settings


def runs_of(settings: SweepSettings, *, where: str) -> Iterator[PretrainSettings]:
    """Yield the settings of every run; a run is named after its point of the grid.

    Raises:
        SettingsError: There are too many runs, or a setting is unknown or wrong.
    """
    names = list(settings.grid)
    num_runs = math.prod(map(len, settings.grid.values()))
    if num_runs > _MOST_RUNS:
        raise SettingsError(
            f"{where}, grid",
            expected=f"at most {_MOST_RUNS:,} runs",
            got=f"{num_runs:,}" if num_runs < 10**12 else "more than can be written here",
            remedy="Name fewer values, or split the sweep in several.",
        )
    for values in itertools.product(*settings.grid.values()):
        point = dict(zip(names, values, strict=True))
        fixed = {"out": _folder(settings.out, point)}
        yield PretrainSettings.parse(settings.pretrain | point | fixed, where=where)


def _folder(out: Path, point: Mapping[str, Any]) -> Path:
    """Name the run's folder; one that bears a variant's former name is that run, too."""
    present = {name: former for former, name in VARIANT_ALIASES.items()}
    former = {k: present.get(v, v) if k == "variant" else v for k, v in point.items()}
    folders = [out / _label(point), out / _label(former)]
    return next((folder for folder in folders if folder.is_dir()), folders[0])


def _label(point: Mapping[str, Any]) -> str:
    return ",".join(f"{name}={value}" for name, value in point.items()).replace("/", "+")


def run_all(
    settings: SweepSettings, *, scheduler: str | None = None, cluster: Path | None = None
) -> list[PretrainSettings]:
    """Pretrain at every point of the grid; runs that are finished are kept.

    Args:
        settings: The grid.
        scheduler: Address of a Dask scheduler whose workers see the same files; else one run after
            the other, here.
        cluster: Cluster file, see `tokser.scheduling`.

    Returns:
        The settings of the runs.

    Raises:
        TokserError: A run failed; those that are finished stay.
    """
    runs = list(runs_of(settings, where=settings.name))
    texts = [run.model_dump_json() for run in runs]
    with (
        progress_bar(f"sweep {settings.name}", total=len(runs), unit="runs") as bar,
        _mapping(scheduler, cluster) as map_runs,
    ):
        for _ in map_runs(texts):
            bar.advance()
    return runs


def run_one(text: str) -> str:
    """Pretrain with settings written as JSON; Dask's workers call it."""
    settings = PretrainSettings.model_validate_json(text)
    return str(run_pretraining(open_store(settings.store, check=settings.check), settings))


@contextmanager
def _mapping(scheduler: str | None, cluster: Path | None) -> Iterator[Any]:
    if scheduler is None and cluster is None:
        yield lambda texts: map(run_one, texts)
        return
    with workers(scheduler, cluster) as pool:
        yield lambda texts: pool.map(run_one, texts, whole_workers=True)


def write_table(settings: SweepSettings, runs: list[PretrainSettings]) -> None:
    """Write `sweep.csv`, a row per run at its best epoch, the best run first."""
    rows = []
    for run in runs:
        by_epoch = {row["epoch"]: row for row in metrics_of(run).to_dict("records")}
        at_best = by_epoch[best_epoch(by_epoch.values())]
        point = {name: getattr(run, name) for name in settings.grid}
        rows.append({"run": run.out.name, **point, **at_best})
    table = pd.DataFrame(rows).sort_values(HEADLINE, ascending=False, kind="stable")
    text = table.to_csv(index=False, lineterminator="\n")
    write_atomically(settings.out / "sweep.csv", str(text).encode())
    first = dict(table.iloc[0])
    say(
        f"best: {first['run']}, dev match rate {percent(first, HEADLINE)}"
        f"{interval(first, HEADLINE)}, gain over mismatched speech "
        f"{100 * first['speech_gain']:.2f} points{interval(first, 'speech_gain')}"
    )


def metrics_of(run: PretrainSettings) -> pd.DataFrame:
    """Read the metrics of a run, a row per epoch.

    Raises:
        RunError: There are none.
    """
    file = run.out / "metrics.csv"
    if not file.is_file():
        raise RunError(
            file,
            expected="the metrics of a finished run",
            got="no such file",
            remedy="Workers must see the same folders; run the same command again.",
        )
    return read_metrics(file)
