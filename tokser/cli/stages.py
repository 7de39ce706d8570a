"""One command for each stage: manifest, extract, pretrain, align, pool, classify, report."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tokser.cli.options import (
    DATASETS,
    FILE,
    FOLDER,
    QUARANTINED_EXIT,
    cluster_option,
    device_option,
    only_given,
    reports_errors,
    scheduler_option,
    show_results,
    splits_option,
    store_option,
    subset_option,
    workspace_option,
    workspace_or_default,
)

if TYPE_CHECKING:
    from tokser.config import ExtractSettings

__all__ = ["align", "classify", "extract", "manifest", "pool", "pretrain", "report"]


@click.command()
@click.argument("dataset", type=DATASETS)
@click.option("--root", type=FOLDER, required=True, help="The corpus's own folder.")
@click.option("--out", type=FILE, help="CSV file to write.  [default: only count]")
@splits_option
@subset_option
@reports_errors
def manifest(
    dataset: str, root: Path, out: Path | None, splits: tuple[str, ...], subset: str | None
) -> None:
    """Scan DATASET's folder into a CSV manifest."""
    from tokser.stages.manifest import manifest as scan
    from tokser.terminal import counts_table, faults_table, show

    scanned = scan(dataset, root, out, splits=splits, subset=subset or "all")
    show(counts_table(scanned.table))
    if scanned.faults:
        show(faults_table({fault.id: fault.reason for fault in scanned.faults}))
        sys.exit(QUARANTINED_EXIT)


@click.command()
@click.option("--dataset", type=DATASETS, required=True, help="Which corpus it is.")
@click.option("--root", type=FOLDER, required=True, help="The corpus's own folder.")
@click.option(
    "--encoder",
    "encoders",
    multiple=True,
    required=True,
    help="Hub id (openai/whisper-base) or local folder, speech or text; may be repeated.",
)
@click.option(
    "--layers", help="last, all, or numbers such as 0,3,6 (0: embedding output).  [default: last]"
)
@store_option
@click.option("--revision", help="Branch, tag or commit of hub models.  [default: the newest]")
@splits_option
@subset_option
@click.option(
    "--dtype", type=click.Choice(["float16", "float32"]), help="Stored type.  [default: float16]"
)
@click.option(
    "--compression",
    type=click.Choice(["none", "zstd", "blosc", "gzip"]),
    help="Of the rows; activations shrink by 4 to 8 % only, and packed rows are read more slowly. "
    "zstd and blosc for Zarr, gzip for HDF5.  [default: none]",
)
@click.option("--shard-mb", type=int, help="Size of a shard at most, in MiB.  [default: 256]")
@click.option(
    "--batch-seconds",
    type=float,
    help="Audio in one forward pass at most, padding included, in seconds.  [default: 120]",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16", "fp16"]),
    help="Of the encoders' arithmetic: bf16 is faster where the processor knows it, about 1 % off "
    "fp32; fp16 needs a GPU.  [default: fp32]",
)
@click.option(
    "--context",
    type=click.Choice(["pad", "fit"]),
    help="Whisper only. pad: what it was trained on, 30 s, trimmed again; fit: the utterance "
    "alone, about ten times faster for short ones, but other activations.  [default: pad]",
)
@click.option(
    "--functionals-only",
    is_flag=True,
    default=None,
    help="Keep only mean and std of each utterance and layer, as `tokser pool` would write them, "
    "and no rows: kilobytes for megabytes, enough for `tokser classify`.  [default: the rows]",
)
@device_option
@scheduler_option
@cluster_option
@click.option(
    "--dry-run",
    is_flag=True,
    help="Only tell rows, GB, files, free disk and expected hours (from a few seconds of each "
    "encoder).  [default: extract]",
)
@reports_errors
def extract(dry_run: bool, **options: Any) -> None:
    """Run frozen encoders over a corpus, once, into a store.

    Run it again to go on where it was stopped, or with another encoder to add features. Several
    processes, also on several machines, may run it at the same time: they share the work.
    """
    from tokser.config import ExtractSettings
    from tokser.stages.extract import extract as run
    from tokser.terminal import faults_table, show, summary_table

    settings = ExtractSettings.parse(only_given(options), where="tokser extract")
    if dry_run:
        _show_estimate(settings)
        return
    done = run(settings)
    show(summary_table(done.summaries))
    click.echo(f"{done.store}: {done.num_utterances} utterances, {', '.join(done.features)}")
    if done.quarantined:
        show(faults_table(done.quarantined))
        sys.exit(QUARANTINED_EXIT)


@click.command()
@store_option
@click.option("--speech", help="Speech feature S.  [default: the only one there is]")
@click.option("--text", help="Teacher feature B.  [default: the only contextual one]")
@click.option(
    "--out", type=FOLDER, help="Folder of the run.  [default: WORKSPACE/runs/STORE's name]"
)
@click.option("--epochs", type=int, help="Passes over the training part.  [default: 30]")
@click.option("--batch-size", type=int, help="Utterances in a batch.  [default: 64]")
@click.option("--learning-rate", type=float, help="Of Adam.  [default: 1e-4]")
@click.option("--temperature", type=float, help="tau of the contrastive loss.  [default: 0.07]")
@click.option(
    "--special-tokens/--no-special-tokens",
    default=None,
    help="Whether [CLS] and [SEP] take part.  [default: they do]",
)
@click.option("--seed", type=int, help="Of weights and order.  [default: 0]")
@workspace_option
@device_option
@reports_errors
def pretrain(workspace: Path | None, **options: Any) -> None:
    """Train the aligner on a store of speech and text.

    Text tokens query speech frames; what they get is held, token by token, against BERT.
    """
    from tokser.config import PretrainSettings
    from tokser.stages.pretrain import pretrain as run

    given = only_given(options)
    name = Path(str(given["store"]).rstrip("/")).stem
    given.setdefault("out", workspace_or_default(workspace) / "runs" / name)
    out = run(PretrainSettings.parse(given, where="tokser pretrain"))
    click.echo(f"aligner -> {out}")


@click.command()
@store_option
@click.option("--checkpoint", type=FOLDER, required=True, help="Folder of a pretraining run.")
@click.option("--batch-size", type=int, help="Utterances in a batch.  [default: 64]")
@device_option
@reports_errors
def align(**options: Any) -> None:
    """Add the feature RUN/aligned to a store.

    RUN is the name of the folder that `tokser pretrain` wrote the aligner to.
    """
    from tokser.config import AlignSettings
    from tokser.stages.align import align as run

    feature = run(AlignSettings.parse(only_given(options), where="tokser align"))
    click.echo(f"{options['store']}: {feature}")


@click.command()
@store_option
@click.option(
    "--feature", "features", multiple=True, help="Which; may be repeated.  [default: every one]"
)
@reports_errors
def pool(**options: Any) -> None:
    """Write mean and std of features over their rows.

    Rows are frames or tokens; `tokser classify` works on what this writes.
    """
    from tokser.config import PoolSettings
    from tokser.stages.pool import pool as run

    features = run(PoolSettings.parse(only_given(options), where="tokser pool"))
    click.echo(f"{options['store']}: functionals of {', '.join(features)}")


@click.command()
@click.option("--dataset", type=DATASETS, required=True, help="Which corpus the store holds.")
@click.option(
    "--store", type=click.Path(), help="The store.  [default: WORKSPACE/stores/DATASET.zarr]"
)
@click.option(
    "--grid",
    is_flag=False,
    flag_value="baseline",
    type=click.Choice(["baseline", "proposed"]),
    help="Search the report's grid (Table 2): baseline has batch 4..1024 x lr 1e-3, 5e-3; "
    "proposed has batch 4..32 x lr 1e-3, 1e-2.  [default: one point, batch 32, lr 1e-3]",
)
@click.option(
    "--features", default="all", help="`all`, or names with commas between.  [default: all]"
)
@click.option(
    "--protocol",
    default="report,speaker",
    help="`report` (random 70:20:10, leaks speakers), `speaker` (leave one speaker or session "
    "out), or both.  [default: report,speaker]",
)
@click.option(
    "--classifier", default="mlp", help="`mlp`, `logreg`, or both with a comma.  [default: mlp]"
)
@click.option("--epochs", type=int, help="Training epochs of the MLP.  [default: 30]")
@click.option("--seed", type=int, help="Of splits, weights and order.  [default: 0]")
@click.option(
    "--out", type=FOLDER, help="Folder of the results.  [default: WORKSPACE/results/DATASET]"
)
@workspace_option
@device_option
@reports_errors
def classify(
    workspace: Path | None,
    grid: str | None,
    epochs: int | None,
    features: str,
    protocol: str,
    classifier: str,
    **options: Any,
) -> None:
    """Train and score emotion classifiers.

    They work on the functionals that `tokser pool` wrote into the store.
    """
    from tokser.config import ClassifySettings
    from tokser.stages.classify import classify as run

    given = only_given(options)
    home = workspace_or_default(workspace)
    if "store" not in given:
        given["store"] = str(home / "stores" / f"{given['dataset']}.zarr")
        click.echo(f"store: {given['store']}", err=True)
    given.setdefault("out", home / "results" / given["dataset"])
    given["grid"] = _grid(grid) | only_given({"epochs": epochs})
    given["features"] = () if features == "all" else tuple(features.split(","))
    given["protocols"] = tuple(protocol.split(","))
    given["classifiers"] = tuple(classifier.split(","))
    out = run(ClassifySettings.parse(given, where="tokser classify"))
    show_results([out])
    click.echo(f"results -> {out}")


@click.command()
@click.argument("results", nargs=-1, required=True, type=FOLDER)
@click.option("--run", "runs", multiple=True, type=FOLDER, help="Pretraining run to plot.")
@click.option("--out", type=FILE, help="The page.  [default: report.html]")
@click.option("--title", help="Title of the page.")
@reports_errors
def report(**options: Any) -> None:
    """Draw a page of tables and plots.

    RESULTS are folders written by `tokser classify`.
    """
    from tokser.config import ReportSettings
    from tokser.stages.report import report as draw

    page = draw(ReportSettings.parse(only_given(options), where="tokser report"))
    click.echo(f"report -> {page}")


def _show_estimate(settings: "ExtractSettings") -> None:
    from tokser.stages.estimate import estimate
    from tokser.terminal import estimate_table, show

    found = estimate(settings)
    show(estimate_table(found))
    free = "unknown" if found.free_bytes is None else f"{found.free_bytes / 1e9:.1f} GB free"
    click.echo(
        f"{settings.store}: {found.num_bytes_to_write / 1e9:.3f} GB to write in "
        f"{found.num_files} files, disk {free}; {found.audio_hours:.2f} h of audio"
    )
    for encoder, seconds in found.seconds.items():
        click.echo(f"{encoder}: about {seconds / 3600:.2f} h on this machine")


def _grid(name: str | None) -> dict[str, Any]:
    if name == "baseline":
        return {}
    if name == "proposed":
        return {"batch_sizes": (4, 8, 16, 32), "learning_rates": (1e-3, 1e-2)}
    return {"batch_sizes": (32,), "learning_rates": (1e-3,)}
