"""One command for each stage: extract, pretrain, align, pool, report."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tokser.cli.options import (
    DATASET_NAME,
    FILE,
    FOLDER,
    QUARANTINED_EXIT,
    check_option,
    cluster_option,
    device_option,
    key_values,
    only_given,
    reports_errors,
    scheduler_option,
    splits_option,
    store_option,
    subset_option,
    tell,
    training_options,
    workspace_option,
    workspace_or_default,
)

if TYPE_CHECKING:
    from tokser.config import ExtractSettings

__all__ = ["align", "attention", "extract", "pool", "pretrain", "report"]


@click.command()
@click.option(
    "--dataset",
    type=DATASET_NAME,
    required=True,
    help="librispeech, emodb, iemocap, or a name of your choice with --manifest.",
)
@click.option("--root", type=FOLDER, required=True, help="The corpus's own folder.")
@click.option(
    "--manifest",
    type=FILE,
    help="CSV of `tokser manifest` to go by; a corpus of your own needs it.  "
    "[default: scan the folder]",
)
@click.option(
    "--encoder",
    "encoders",
    multiple=True,
    required=True,
    help="Hub id (openai/whisper-base) or local folder, speech or text; may be repeated.",
)
@click.option(
    "--layers",
    help="last (the model's last hidden state), all, or a list such as 0,3,6 or 6,last (0: "
    "embedding output).  [default: last]",
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
    help="Audio in one forward pass at most, padding included, in seconds; more needs more memory. "
    "[default: 30 on a processor, 240 on a GPU]",
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
    tell(f"{done.store}: {done.num_utterances} utterances, {', '.join(done.features)}")
    if done.quarantined:
        show(faults_table(done.quarantined))
        sys.exit(QUARANTINED_EXIT)


@click.command()
@click.option(
    "--store",
    type=click.Path(),
    help="Folder or URL of the store.  [default: none, but that of --sweep]",
)
@click.option(
    "--sweep",
    type=FILE,
    help="Run every combination of the grid that a YAML file names, see pipelines/sweeps; other "
    "options hold for all runs.  [default: one run]",
)
@click.option(
    "--scheduler",
    help="With --sweep: address of a Dask scheduler.  [default: one run after the other]",
)
@click.option(
    "--cluster",
    type=FILE,
    help="With --sweep: cluster file, see pipelines/clusters.  [default: none]",
)
@click.option(
    "--speech",
    help="Speech feature S, or layers of one encoder with commas between, whose mix is learned.  "
    "[default: the only one there is]",
)
@click.option("--text", help="Teacher feature B.  [default: the only contextual one]")
@click.option(
    "--queries",
    type=click.Choice(["word", "full"]),
    help="T. word: rows of the teacher's word-embedding table; full: its embedding layer's output, "
    "position included (extract the teacher with --layers all).  [default: word]",
)
@click.option(
    "--variant",
    help="paper: one head, unscaled; scaled: divided by sqrt(D); sunder: 12 heads, residual, "
    "LayerNorm, feed-forward; listener: a window around the word's position and the whole "
    "utterance, all of it speech (train it with --learning-rate 1e-3 --schedule cosine).  "
    "[default: paper]",
)
@click.option(
    "--option",
    "variant_options",
    multiple=True,
    metavar="KEY=VALUE",
    help="Option of the variant's own; may be repeated.  "
    "[default: of sunder heads=12, ffn=2048, dropout=0; of listener heads=1, rank=64, "
    "global_queries=4, dropout=0.3]",
)
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
@training_options
@check_option
@workspace_option
@device_option
@reports_errors
def pretrain(
    workspace: Path | None,
    variant_options: tuple[str, ...],
    sweep: Path | None,
    scheduler: str | None,
    cluster: Path | None,
    **options: Any,
) -> None:
    """Train the aligner on a store of speech and text.

    Text tokens attend to speech frames; what they obtain is compared, token by token, with BERT.
    The same command resumes a stopped run, within an epoch too. `metrics.csv` and TensorBoard
    (tensorboard --logdir RUN) have every epoch: the match rate over the whole dev part, its gain
    over mismatched speech, and the text-only baseline.
    """
    from tokser.config import PretrainSettings
    from tokser.stages.pretrain import pretrain as run

    given = only_given(options)
    if variant_options:
        given["options"] = key_values(variant_options, "--option")
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
    out = run(PretrainSettings.parse(given, where="tokser pretrain"))
    tell(f"aligner -> {out}")


@click.command()
@store_option
@click.option("--checkpoint", type=FOLDER, required=True, help="Folder of a pretraining run.")
@click.option("--batch-size", type=int, help="Utterances in a batch.  [default: 64]")
@check_option
@device_option
@reports_errors
def align(**options: Any) -> None:
    """Add the feature RUN/aligned to a store.

    RUN is the name of the folder that `tokser pretrain` wrote the aligner to.
    """
    from tokser.config import AlignSettings
    from tokser.stages.align import align as run

    feature = run(AlignSettings.parse(only_given(options), where="tokser align"))
    tell(f"{options['store']}: {feature}")


@click.command()
@store_option
@click.option("--checkpoint", type=FOLDER, required=True, help="Folder of a pretraining run.")
@click.option("--utterance", required=True, help="Id of an utterance.")
@click.option("--out", type=FILE, required=True, help="Picture: .png, .svg or .pdf.")
@click.option(
    "--tokenizer",
    help="Model whose tokenizer writes the tokens out.  [default: that of the store's text]",
)
@check_option
@reports_errors
def attention(
    store: str,
    checkpoint: Path,
    utterance: str,
    out: Path,
    tokenizer: str | None,
    check: bool | None,
) -> None:
    """Draw where each token of an utterance listens.

    Tokens down, seconds across; the mean of the heads where a variant has several.
    """
    from tokser.stages.attention import attention as draw

    options = only_given({"tokenizer": tokenizer, "check": check})
    tell(f"map -> {draw(store, checkpoint, utterance, out, **options)}")


@click.command()
@store_option
@click.option(
    "--feature", "features", multiple=True, help="Which; may be repeated.  [default: every one]"
)
@click.option(
    "--functional",
    "functionals",
    multiple=True,
    help="Beyond mean and std: min, max, or a quantile in percent such as q25; may be repeated.  "
    "[default: mean and std alone]",
)
@reports_errors
def pool(**options: Any) -> None:
    """Write mean and std of features over their rows.

    Rows are frames or tokens; `tokser classify` works on what this writes.
    """
    from tokser.config import PoolSettings
    from tokser.stages.pool import pool as run

    features = run(PoolSettings.parse(only_given(options), where="tokser pool"))
    tell(f"{options['store']}: functionals of {', '.join(features)}")


@click.command()
@click.argument("results", nargs=-1, required=True, type=FOLDER)
@click.option("--run", "runs", multiple=True, type=FOLDER, help="Pretraining run to plot.")
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(["html", "latex", "csv", "md", "png", "pdf", "svg"]),
    help="html: the page; latex, csv, md: its tables, a file each; png, pdf, svg: its figures; may "
    "be repeated.  [default: html]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The page; with another format, the folder of the files.  [default: report.html, report]",
)
@click.option("--title", help="Title of the page.  [default: tokser report]")
@reports_errors
def report(**options: Any) -> None:
    """Draw a page of tables and plots, or write them out for a paper.

    RESULTS are folders written by `tokser classify` and `tokser regress`.
    """
    from tokser.config import ReportSettings
    from tokser.stages.report import report as draw

    for path in draw(ReportSettings.parse(only_given(options), where="tokser report")):
        tell(f"report -> {path}")


def _show_estimate(settings: "ExtractSettings") -> None:
    from tokser.extraction.estimate import estimate
    from tokser.terminal import estimate_table, show

    found = estimate(settings)
    show(estimate_table(found))
    free = "unknown" if found.free_bytes is None else f"{found.free_bytes / 1e9:.1f} GB free"
    tell(
        f"{settings.store}: {found.num_bytes_to_write / 1e9:.3f} GB to write in "
        f"{found.num_files} files, disk {free}; {found.audio_hours:.2f} h of audio"
    )
    for encoder, seconds in found.seconds.items():
        tell(f"{encoder}: about {seconds / 3600:.2f} h on this machine")
