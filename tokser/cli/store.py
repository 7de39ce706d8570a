"""`tokser store`: look into a store, check it, mend it, move it."""

import json
import sys
from pathlib import Path

import click

from tokser.cli.options import FOLDER, device_option, reports_errors

__all__ = ["store"]


@click.group()
def store() -> None:
    """Look into a store."""


@store.command()
@click.argument("path", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print JSON.  [default: tables]")
@reports_errors
def info(path: str, as_json: bool) -> None:
    """Show what is in the store at PATH."""
    from tokser.stages.info import info as describe
    from tokser.terminal import faults_table, provenance_table, show, store_table

    content = describe(path)
    if as_json:
        click.echo(json.dumps(content, indent=1, ensure_ascii=False))
        return
    show(store_table(content))
    show(provenance_table(content))
    if content["quarantined"]:
        show(faults_table(content["quarantined"]))


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
@click.option(
    "--recompute",
    "number",
    type=click.IntRange(min=1),
    metavar="K",
    help="Encode K random utterances of each encoder again, too, and compare.  [default: none]",
)
@click.option(
    "--root",
    type=FOLDER,
    help="With --recompute: folder of the corpus.  [default: where it was at extraction]",
)
@click.option(
    "--encoder",
    "encoders",
    multiple=True,
    help="With --recompute: a model's folder now; may be repeated.  "
    "[default: where it was at extraction]",
)
@device_option
@reports_errors
def verify(
    path: str,
    number: int | None,
    root: Path | None,
    encoders: tuple[str, ...],
    device: str | None,
) -> None:
    """Read everything in the store at PATH and compare the checksums."""
    from tokser.stages.recompute import recompute
    from tokser.stages.verify import verify as check
    from tokser.terminal import damages_table, recomputed_table, show

    found = check(path)
    for name, shards in found.missing.items():
        click.echo(f"{name}: {len(shards)} shards not committed yet (extract again to go on)")
    if not found.is_whole:
        show(damages_table(found.damages))
        sys.exit(1)
    rate = found.num_bytes / 1e9 / max(found.seconds, 1e-9)
    state = "nothing damaged, not finished" if found.missing else "whole"
    click.echo(f"{path}: {state}, {found.num_bytes / 1e9:.3f} GB checked at {rate:.1f} GB/s")
    if number:
        again = recompute(path, number, root=root, encoders=encoders, device=device or "auto")
        show(recomputed_table(again))
        if not all(one.is_same for one in again):
            click.secho("Error: some rows are not what the encoders give now", fg="red", err=True)
            sys.exit(1)
