"""`tokser store`: look into a store, check it, repair it, change it, move it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tokser.cli.help import TopicGroup
from tokser.cli.options import (
    FILE,
    FOLDER,
    command,
    device_option,
    json_option,
    option,
    store_argument,
)
from tokser.cli.output import print_json, show, tell
from tokser.errors import list_some

if TYPE_CHECKING:
    from tokser.stages.export import ExportFormat
    from tokser.store import Compression, Verification

__all__ = ["store"]

features_option = option(
    "--features",
    topic="Input",
    default="all",
    metavar="all|NAME,...",
    help="Names from `tokser store info`, with commas between.",
)
dry_run_option = option(
    "--dry-run", topic="Output", is_flag=True, help="Show what would change, and change nothing."
)


@click.group(cls=TopicGroup)
def store() -> None:
    """Look into a store, check it, repair it, change it, copy it."""


@command(group=store, example="tokser store info workspace/stores/emodb.zarr --json")
@store_argument("path")
@json_option
def info(path: str, *, as_json: bool) -> None:
    """Show what is in the store at PATH."""
    from tokser.stages.info import info as describe
    from tokser.terminal.manifests import faults_table
    from tokser.terminal.stores import provenance_table, store_table

    content = describe(path)
    if as_json:
        print_json(content)
        return
    show(store_table(content))
    show(provenance_table(content))
    if content["quarantined"]:
        show(faults_table(content["quarantined"]))


@command(
    group=store, example="tokser store repair workspace/stores/emodb.zarr --root corpora/emodb"
)
@store_argument("path")
@option(
    "--root",
    topic="Input",
    type=FOLDER,
    default_text="only the store is checked",
    help="Folder of the corpus: recordings that changed since are encoded again, too.",
)
@json_option
def repair(path: str, root: Path | None, *, as_json: bool) -> None:
    """Prepare the store at PATH for repair: damaged shards are computed again by the next run.

    The next run is the extract, align or pool that wrote them.
    """
    from tokser.stages.repair import repair as run
    from tokser.terminal.stores import damages_table

    done = run(path, root)
    if as_json:
        print_json(done)
        return
    if done.damages:
        show(damages_table(done.damages))
    for stale in done.stale:
        tell(f"{stale.group}, {stale.utterance}: {stale.reason}")
    for feature, shards in done.invalidated.items():
        tell(f"{feature}: {len(shards)} shards to be computed again")
    if not done.damages and not done.stale:
        tell(f"{path}: nothing to repair")
    else:
        tell("Run the command that wrote them again (extract, align or pool) to repair it.")


@command(group=store, example="tokser store verify workspace/stores/emodb.zarr --recompute 5")
@store_argument("path")
@option(
    "--recompute",
    "number",
    topic="Recomputation",
    type=click.IntRange(min=1),
    metavar="K",
    help="Also encode K random utterances of each encoder again, and compare.",
)
@option(
    "--root",
    topic="Recomputation",
    type=FOLDER,
    default_text="where it was at extraction",
    help="Folder of the corpus.",
)
@option(
    "--encoder",
    "encoders",
    topic="Recomputation",
    multiple=True,
    metavar="FOLDER",
    default_text="where it was at extraction",
    help="Folder of a model.",
)
@device_option
@json_option
def verify(
    path: str,
    number: int | None,
    root: Path | None,
    encoders: tuple[str, ...],
    device: str,
    *,
    as_json: bool,
) -> None:
    """Read everything in the store at PATH and compare the checksums."""
    from tokser.stages.verify import verify as check
    from tokser.terminal.stores import recomputed_table

    found = check(path)
    if not as_json:
        _show_verification(path, found)
    again = []
    if found.is_whole and number:
        from tokser.extraction.recompute import recompute  # torch and transformers take seconds

        again = recompute(path, number, root=root, encoders=encoders, device=device)
    if as_json:
        print_json({"is_whole": found.is_whole, "checked": found, "recomputed": again})
    elif again:
        show(recomputed_table(again))
    if not all(one.is_same for one in again):
        tell("Error: some rows are not what the encoders give now", colour="red", err=True)
        sys.exit(1)
    if not found.is_whole:
        sys.exit(1)


def _show_verification(path: str, found: "Verification") -> None:
    from tokser.terminal.stores import damages_table

    for name, shards in found.missing.items():
        tell(f"{name}: {len(shards)} shards not committed yet (extract again to continue)")
    if not found.is_whole:
        show(damages_table(found.damages))
        return
    rate = found.num_bytes / 1e9 / max(found.seconds, 1e-9)
    for name, names in found.outdated.items():
        tell(f"{name}: {len(names)} utterances to be computed (extract, align or pool again)")
    is_complete = not found.missing and not found.outdated
    state = "complete" if is_complete else "nothing damaged, incomplete"
    tell(f"{path}: {state}, {found.num_bytes / 1e9:.3f} GB checked at {rate:.1f} GB/s")


@command(
    group=store,
    example="tokser store drop workspace/stores/emodb.zarr whisper-base/layer-3 --dry-run",
)
@store_argument("path")
@click.argument("name")
@dry_run_option
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


@command(
    group=store,
    example="tokser store update workspace/stores/emodb.zarr --manifest corrected.csv --dry-run",
)
@store_argument("path")
@option(
    "--manifest",
    "file",
    topic="Input",
    type=FILE,
    required=True,
    help="Corrected manifest (CSV) with every utterance of the store, and perhaps more.",
)
@dry_run_option
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


@command(
    name="import",
    group=store,
    example="tokser store import workspace/stores/emodb.zarr prosody.csv --name prosody",
)
@store_argument("path")
@click.argument("file", type=FILE)
@option(
    "--name",
    topic="Output",
    required=True,
    help="Name of the features' group; the feature is NAME/functionals.",
)
@json_option
def import_(path: str, file: Path, name: str, *, as_json: bool) -> None:
    """Take features that were computed elsewhere, one row an utterance, into the store at PATH.

    FILE is CSV with a column id and a column for each number, or npz with the arrays ids, values
    [utterances, dim] and perhaps columns. The digest of the file is kept. `tokser classify` uses
    them as it uses functionals.
    """
    from tokser.stages.import_features import import_features

    done = import_features(path, file, name)
    if as_json:
        print_json(done)
        return
    tell(f"{path}: {done.feature}, {done.dim} numbers of {done.num_utterances} utterances")


@command(
    group=store, example="tokser store remove workspace/stores/emodb.zarr --speaker 03 --dry-run"
)
@store_argument("path")
@option("--speaker", topic="Input", help="Remove all utterances of this speaker.")
@option(
    "--ids",
    "file",
    topic="Input",
    type=FILE,
    help="Text file with the ids to remove, one a line.",
)
@dry_run_option
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
        f"{done.num_shards} shards {would}written again"
    )


@command(group=store, example="tokser store convert workspace/stores/emodb.zarr emodb.h5")
@store_argument("source")
@store_argument("target")
@option(
    "--compression",
    topic="Output",
    type=click.Choice(["none", "zstd", "blosc", "gzip"]),
    default="none",
    help="Compression of the copy's rows: zstd or blosc for Zarr, gzip for HDF5.",
)
@features_option
def convert(source: str, target: str, compression: "Compression", features: str) -> None:
    """Copy the store SOURCE to TARGET, in the format that its suffix says: .zarr or .h5.

    Every utterance's checksum is compared. Run it again to continue where it was stopped.
    """
    from tokser.stages.convert import convert as copy

    done = copy(source, target, compression=compression, features=_names(features))
    rate = done.num_bytes / 1e9 / max(done.seconds, 1e-9)
    tell(
        f"{done.store}: {len(done.features)} features, {done.num_bytes / 1e9:.3f} GB compared, "
        f"{rate:.2f} GB/s"
    )


@command(
    group=store,
    example="tokser store export workspace/stores/emodb.zarr exported --format parquet",
)
@store_argument("path")
@click.argument("out", type=click.Path(file_okay=False))
@option(
    "--format",
    "form",
    topic="Output",
    type=click.Choice(["npz", "parquet", "datasets"]),
    required=True,
    help="npz: archives for numpy; parquet: a table per feature, for pandas, polars and DuckDB; "
    "datasets: a Hugging Face dataset per feature (needs tokser[export]).",
)
@option(
    "--functionals",
    topic="Output",
    is_flag=True,
    help="Write mean and std over the rows instead of the rows.",
)
@features_option
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
