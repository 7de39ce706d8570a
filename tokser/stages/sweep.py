"""Pretraining over a grid of settings: a run each, one table, and the curves of all of them."""

from pathlib import Path

from tokser.config import SweepSettings
from tokser.pretrain.sweep import load_sweep, metrics_of, run_all, write_table
from tokser.provenance import write_atomically

__all__ = ["load_sweep", "sweep"]


def sweep(
    settings: SweepSettings, *, scheduler: str | None = None, cluster: Path | None = None
) -> Path:
    """Pretrain at every point of a grid, see `pretrain.sweep.run_all`; then table and curves.

    Returns:
        The folder: a run each, `sweep.csv` (a row per run, best first), and `convergence.svg` and
        `validation.svg`.

    Raises:
        TokserError: A run failed; those that are finished stay.
    """
    runs = run_all(settings, scheduler=scheduler, cluster=cluster)
    write_table(settings, runs)

    from tokser.report.figures import convergence, validation

    metrics = {run.out.name: metrics_of(run) for run in runs}
    for name, figure in (("convergence", convergence), ("validation", validation)):
        write_atomically(settings.out / f"{name}.svg", figure(metrics).render("svg"))
    return settings.out
