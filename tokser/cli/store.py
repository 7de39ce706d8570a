"""`tokser store`: look into a store, check it, mend it, change it, move it."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tokser.cli.options import FILE, FOLDER, device_option, reports_errors, tell
from tokser.errors import list_some

if TYPE_CHECKING:
    from tokser.stages.export import ExportFormat
    from tokser.store import Compression

__all__ = ["store"]

features_option = click.option(
    "--features",
    default="all",
    metavar="all|F,...",
    help="Names from `tokser store info`, with commas between.  [default: all]",
)


dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Show what would change, and change nothing.  [default: do it]"
)


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
        tell(json.dumps(content, indent=1, ensure_ascii=False))
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
        tell(f"{stale.group}, {stale.utterance}: {stale.reason}")
    for feature, shards in done.invalidated.items():
        tell(f"{feature}: {len(shards)} shards to be computed again")
    if not done.damages and not done.stale:
        tell(f"{path}: nothing to mend")
    else:
        tell("Run the command that wrote them again (extract, align or pool) to mend it.")


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
    from tokser.stages.verify import verify as check
    from tokser.terminal import damages_table, recomputed_table, show

    found = check(path)
    for name, shards in found.missing.items():
        tell(f"{name}: {len(shards)} shards not committed yet (extract again to go on)")
    if not found.is_whole:
        show(damages_table(found.damages))
        sys.exit(1)
    rate = found.num_bytes / 1e9 / max(found.seconds, 1e-9)
    for name, names in found.outdated.items():
        tell(f"{name}: {len(names)} utterances to be computed (extract, align or pool again)")
    finished = not found.missing and not found.outdated
    state = "whole" if finished else "nothing damaged, not finished"
    tell(f"{path}: {state}, {found.num_bytes / 1e9:.3f} GB checked at {rate:.1f} GB/s")
    if number:
        from tokser.extraction.recompute import recompute  # torch and transformers take seconds

        again = recompute(path, number, root=root, encoders=encoders, device=device or "auto")
        show(recomputed_table(again))
        if not all(one.is_same for one in again):
            tell("Error: some rows are not what the encoders give now", colour="red", err=True)
            sys.exit(1)


@store.command()
@click.argument("path", type=click.Path())
@click.argument("name")
@dry_run_option
@reports_errors
def drop(path: str, name: str, dry_run: bool) -> None:
    """Remove the feature or group NAME from the store at PATH, with its functionals.

    NAME is a feature such as whisper-base/layer-6, or a group such as whisper-base: all that one
    encoder or run made. Run it again if it was stopped.
    """
    from tokser.store import drop_from_store

    done = drop_from_store(path, name, dry_run=dry_run)
    for feature in done.features:
        tell(f"{feature}: {'would be removed' if dry_run else 'removed'}")
    tell(f"{path}: {done.num_bytes / 1e6:.1f} MB {'would be freed' if dry_run else 'freed'}")


@store.command()
@click.argument("path", type=click.Path())
@click.option(
    "--manifest",
    "file",
    type=FILE,
    required=True,
    help="Corrected manifest (CSV) with every utterance of the store, and perhaps more.",
)
@dry_run_option
@reports_errors
def update(path: str, file: Path, dry_run: bool) -> None:
    """Take corrected labels, transcripts, speakers or other columns into the store at PATH.

    A new version of the utterance table is written, the old ones are kept. Features stay as they
    are; those that were computed from what changed are named, and the same extract, align or pool
    computes exactly what is out of date.
    """
    from tokser.stages.update import update as take

    done = take(path, file, dry_run=dry_run)
    for column, names in done.change.changed.items():
        tell(f"{column}: {len(names)} utterances ({list_some(names)})")
    if done.change.added:
        tell(f"new: {len(done.change.added)} utterances ({list_some(done.change.added)})")
    for column in (*done.change.new_columns, *done.change.lost_columns):
        tell(f"column {column}: {'new' if column in done.change.new_columns else 'gone'}")
    for feature, names in done.outdated.items():
        tell(f"{feature}: {len(names)} utterances to be computed ({list_some(names)})")
    state = "nothing changes" if done.change.is_empty else f"version {done.version} of the table"
    tell(f"{path}: {state}{', nothing was written' if dry_run else ''}")


@store.command()
@click.argument("path", type=click.Path())
@click.option("--speaker", help="Remove all utterances of this speaker.  [default: none]")
@click.option(
    "--ids",
    "file",
    type=FILE,
    help="Text file with the ids to remove, one a line.  [default: none]",
)
@dry_run_option
@reports_errors
def remove(path: str, speaker: str | None, file: Path | None, dry_run: bool) -> None:
    """Remove utterances from the store at PATH for good, as when consent is withdrawn.

    Rows become zeros; checksums, transcripts, tokens and ids are deleted from every file of the
    store, old versions of the table included. Exports and other copies are yours to remove. Run it
    again if it was stopped: until it is done, nobody can open the store.
    """
    from tokser.stages.update import remove as take_out

    done = take_out(path, speaker=speaker, ids=file, dry_run=dry_run)
    would = "would be " if dry_run else ""
    tell(
        f"{path}: {done.num_utterances} utterances {would}removed, "
        f"{done.num_shards} shards {would}written anew"
    )


@store.command()
@click.argument("source", type=click.Path())
@click.argument("target", type=click.Path())
@click.option(
    "--compression",
    type=click.Choice(["none", "zstd", "blosc", "gzip"]),
    default="none",
    help="Of the copy's rows: zstd or blosc for Zarr, gzip for HDF5.  [default: none]",
)
@features_option
@reports_errors
def convert(source: str, target: str, compression: "Compression", features: str) -> None:
    """Copy the store SOURCE to TARGET, in the format that its suffix says: .zarr or .h5.

    Every utterance's checksum is compared. Run it again to go on where it was stopped.
    """
    from tokser.stages.convert import convert as copy

    done = copy(source, target, compression=compression, features=_names(features))
    rate = done.num_bytes / 1e9 / max(done.seconds, 1e-9)
    tell(
        f"{done.store}: {len(done.features)} features, {done.num_bytes / 1e9:.3f} GB compared, "
        f"{rate:.2f} GB/s"
    )


@store.command()
@click.argument("path", type=click.Path())
@click.argument("out", type=click.Path(file_okay=False))
@click.option(
    "--format",
    "form",
    type=click.Choice(["npz", "parquet", "datasets"]),
    required=True,
    help="npz: archives for numpy; parquet: a table per feature, for pandas, polars and DuckDB; "
    "datasets: a Hugging Face dataset per feature (needs tokser[export]).",
)
@click.option(
    "--functionals",
    is_flag=True,
    help="Write mean and std over the rows instead of the rows.  [default: the rows]",
)
@features_option
@reports_errors
def export(path: str, out: str, form: "ExportFormat", features: str, functionals: bool) -> None:
    """Write features of the store at PATH into the folder OUT, for other programs."""
    from tokser.stages.export import export as write

    done = write(path, out, format=form, features=_names(features), functionals=functionals)
    for feature, where in done.paths.items():
        tell(f"{feature} -> {where}")
    if done.quarantined:
        tell(f"{len(done.quarantined)} utterances in quarantine were left out")


def _names(features: str) -> tuple[str, ...]:
    return () if features == "all" else tuple(features.split(","))
