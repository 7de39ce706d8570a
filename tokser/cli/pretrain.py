"""`tokser pretrain`: the aligner trained on a store."""

from pathlib import Path
from typing import Any

import click

from tokser.cli.options import (
    FILE,
    command,
    option,
    settings_of,
    threads_option,
    workspace_option,
    workspace_or_default,
)
from tokser.cli.output import tell
from tokser.config import PretrainSettings

__all__ = ["pretrain"]


@command(example="tokser pretrain --store workspace/stores/librispeech.zarr --epochs 30")
@settings_of(PretrainSettings)
@option(
    "--sweep",
    topic="Sweep",
    type=FILE,
    help="YAML file with a grid, see pipelines/sweeps: every combination is run; other options "
    "hold for all runs.",
)
@option(
    "--scheduler",
    topic="Sweep",
    metavar="tcp://HOST:PORT",
    default_text="one run after the other, here",
    help="Address of a Dask scheduler whose workers do the runs.",
)
@option(
    "--cluster",
    topic="Sweep",
    type=FILE,
    default_text="one run after the other, here",
    help="Cluster file, see pipelines/clusters: its jobs are queued and do the runs.",
)
@workspace_option
@threads_option
def pretrain(
    given: dict[str, Any],
    *,
    sweep: Path | None,
    scheduler: str | None,
    cluster: Path | None,
    workspace: Path | None,
) -> None:
    """Train the aligner on a store of speech and text.

    Text tokens query speech frames; what the attention returns is compared, token by token, with
    BERT. A run that was stopped continues with the same command, within an epoch too. metrics.csv
    and TensorBoard (tensorboard --logdir RUN) have every epoch: the match rate over the whole dev
    part, the gain over mismatched speech, and the text-only baseline.
    """
    if sweep is not None:
        from tokser.stages.sweep import load_sweep
        from tokser.stages.sweep import sweep as run_all

        settings = load_sweep(sweep, given)
        tell(f"sweep -> {run_all(settings, scheduler=scheduler, cluster=cluster)}")
        return
    if scheduler or cluster or "store" not in given:
        raise click.UsageError("Name a store with --store, or a grid of runs with --sweep.")

    name = Path(str(given["store"]).rstrip("/")).stem
    given.setdefault("out", workspace_or_default(workspace) / "runs" / name)
    wanted = PretrainSettings.parse(given, where="tokser pretrain")
    from tokser.stages.pretrain import pretrain as run

    out = run(wanted)
    tell(f"aligner -> {out}")
