"""`tokser store`: look into a store, check it, mend it, move it."""

import sys
from pathlib import Path

import click

from tokser.cli.options import FOLDER, reports_errors

__all__ = ["store"]


@click.group()
def store() -> None:
    """Look into a store."""


@store.command()
@click.argument("path", type=click.Path())
@reports_errors
def info(path: str) -> None:
    """Show what is in the store at PATH."""
    from tokser.store import open_store
    from tokser.terminal import faults_table, show, store_table

    opened = open_store(path)
    show(store_table(opened))
    if opened.quarantined:
        show(faults_table(opened.quarantined))


@store.command()
@click.argument("path", type=click.Path())
@click.option(
    "--root",
    type=FOLDER,
    help="Folder of the corpus: recordings that changed since are encoded again, too.  "
    "[default: look at the store only]",
)
@reports_errors
def repair(path: str, root: Path | None) -> None:
    """Mend the store at PATH: the next extract, align or pool computes damaged shards again."""
    from tokser.stages.repair import repair as mend
    from tokser.terminal import damages_table, show

    done = mend(path, root)
    if done.damages:
        show(damages_table(done.damages))
    for stale in done.stale:
        click.echo(f"{stale.group}, {stale.utterance}: {stale.reason}")
    for feature, shards in done.requeued.items():
        click.echo(f"{feature}: {len(shards)} shards to be computed again")
    if not done.damages and not done.stale:
        click.echo(f"{path}: nothing to mend")
    else:
        click.echo("Run the command that wrote them again (extract, align or pool) to mend it.")


@store.command()
@click.argument("path", type=click.Path())
@reports_errors
def verify(path: str) -> None:
    """Read everything in the store at PATH and compare the checksums."""
    from tokser.stages.verify import verify as check
    from tokser.terminal import damages_table, show

    found = check(path)
    for name, shards in found.missing.items():
        click.echo(f"{name}: {len(shards)} shards not committed yet (extract again to go on)")
    if not found.is_whole:
        show(damages_table(found.damages))
        sys.exit(1)
    rate = found.num_bytes / 1e9 / max(found.seconds, 1e-9)
    state = "nothing damaged, not finished" if found.missing else "whole"
    click.echo(f"{path}: {state}, {found.num_bytes / 1e9:.3f} GB checked at {rate:.1f} GB/s")
