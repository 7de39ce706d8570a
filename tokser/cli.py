"""The command line: parse, call one stage, exit with its code. The only file that knows click."""

import errno
import functools
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from tokser import __version__
from tokser.errors import TokserError

__all__ = ["main"]

QUARANTINED_EXIT = 3
_DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
EXIT_CODES = (
    "Exit codes: 0 ok; 1 the run failed; 2 the input or the call is wrong; "
    "3 finished, with utterances in quarantine."
)
DATASETS = click.Choice(["librispeech", "emodb", "iemocap"])
FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)

Command = TypeVar("Command", bound=Callable[..., Any])


class _StageGroup(click.Group):
    """Shows commands in the order of the data's way, not of the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def _reports_errors(command: Command) -> Command:
    """Print tokser's own errors as one message, and exit with their code."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except TokserError as error:
            click.secho(f"Error: {error}", fg="red", err=True)
            sys.exit(error.exit_code)
        except OSError as error:
            if error.errno not in _DISK_FAULTS:
                raise
            click.secho(
                f"Error: {error.filename or 'disk'}: {error.strerror}. What was finished is kept: "
                "make room or get the right to write, then run the same command again.",
                fg="red",
                err=True,
            )
            sys.exit(1)
        except KeyboardInterrupt:
            click.secho("Stopped. What is done is kept: run the same command again.", err=True)
            sys.exit(1)

    return wrapped  # type: ignore[return-value]  # click only looks at the wrapped name and options


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Drop the options that were not given, so that the settings' own defaults hold."""
    return {key: value for key, value in values.items() if value is not None and value != ()}


def _workspace(chosen: Path | None) -> Path:
    return chosen or Path(os.environ.get("TOKSER_HOME", "workspace"))


workspace_option = click.option(
    "--workspace",
    type=FOLDER,
    help="Folder of stores, runs and results.  [default: $TOKSER_HOME, else ./workspace]",
)
device_option = click.option(
    "--device", help="auto, cpu, cuda, cuda:1 or mps.  [default: auto, a GPU where there is one]"
)
store_option = click.option(
    "--store",
    type=click.Path(),
    required=True,
    help="Folder or URL of the store: feats.zarr, feats.h5 (HDF5) or s3://bucket/feats.zarr.",
)
splits_option = click.option(
    "--split",
    "splits",
    multiple=True,
    help="LibriSpeech part, e.g. train-clean-100; may be repeated.  [default: all that are there]",
)
subset_option = click.option(
    "--subset",
    type=click.Choice(["all", "recognised"]),
    help="EmoDB: all 535 recordings, or the 493 of the report's Table 1.  [default: all]",
)


@click.group(cls=_StageGroup, epilog=EXIT_CODES, context_settings={"max_content_width": 100})
@click.version_option(__version__, prog_name="tokser")
def main() -> None:
    """Extract frozen speech and text activations once, then experiment in seconds.

    \b
    tokser extract    audio and text -> activations in a store
    tokser pretrain   store -> aligner (text tokens query speech frames)
    tokser align      store + aligner -> aligned feature
    tokser pool       features -> mean and standard deviation
    tokser classify   functionals -> grid of emotion classifiers -> scores
    tokser report     scores -> tables and plots

    `tokser demo` does all of it on speech that it synthesises itself.
    """  # noqa: D301  click takes the backspace as: keep these lines as they are


@main.command()
@workspace_option
@_reports_errors
def doctor(workspace: Path | None) -> None:
    """Say what is installed, what is missing, and how to mend it."""
    from tokser.stages.doctor import doctor as examine

    healthy = examine(_workspace(workspace))
    sys.exit(0 if healthy else 1)


@main.command()
@click.argument("dataset", type=DATASETS)
@click.option("--root", type=FOLDER, required=True, help="The corpus's own folder.")
@click.option("--out", type=FILE, help="CSV file to write.  [default: only count]")
@splits_option
@subset_option
@_reports_errors
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


@main.command()
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
@device_option
@_reports_errors
def extract(**options: Any) -> None:
    """Run frozen encoders over a corpus, once, into a store.

    Run it again to go on where it was stopped, or with another encoder to add features.
    """
    from tokser.config import ExtractSettings
    from tokser.stages.extract import extract as run
    from tokser.terminal import faults_table, show

    done = run(ExtractSettings.parse(_given(options), where="tokser extract"))
    click.echo(f"{done.store}: {done.num_utterances} utterances, {', '.join(done.features)}")
    if done.quarantined:
        show(faults_table(done.quarantined))
        sys.exit(QUARANTINED_EXIT)


@main.command()
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
@_reports_errors
def pretrain(workspace: Path | None, **options: Any) -> None:
    """Train the aligner on a store of speech and text.

    Text tokens query speech frames; what they get is held, token by token, against BERT.
    """
    from tokser.config import PretrainSettings
    from tokser.stages.pretrain import pretrain as run

    given = _given(options)
    default_out = _workspace(workspace) / "runs" / Path(str(given["store"]).rstrip("/")).stem
    given.setdefault("out", default_out)
    out = run(PretrainSettings.parse(given, where="tokser pretrain"))
    click.echo(f"aligner -> {out}")


@main.command()
@store_option
@click.option("--checkpoint", type=FOLDER, required=True, help="Folder of a pretraining run.")
@click.option("--batch-size", type=int, help="Utterances in a batch.  [default: 64]")
@device_option
@_reports_errors
def align(**options: Any) -> None:
    """Add the feature RUN/aligned to a store.

    RUN is the name of the folder that `tokser pretrain` wrote the aligner to.
    """
    from tokser.config import AlignSettings
    from tokser.stages.align import align as run

    feature = run(AlignSettings.parse(_given(options), where="tokser align"))
    click.echo(f"{options['store']}: {feature}")


@main.command()
@store_option
@click.option(
    "--feature", "features", multiple=True, help="Which; may be repeated.  [default: every one]"
)
@_reports_errors
def pool(**options: Any) -> None:
    """Write mean and std of features over their rows.

    Rows are frames or tokens; `tokser classify` works on what this writes.
    """
    from tokser.config import PoolSettings
    from tokser.stages.pool import pool as run

    features = run(PoolSettings.parse(_given(options), where="tokser pool"))
    click.echo(f"{options['store']}: functionals of {', '.join(features)}")


@main.command()
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
@_reports_errors
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

    given = _given(options)
    home = _workspace(workspace)
    if "store" not in given:
        given["store"] = str(home / "stores" / f"{given['dataset']}.zarr")
        click.echo(f"store: {given['store']}", err=True)
    given.setdefault("out", home / "results" / given["dataset"])
    given["grid"] = _grid(grid) | _given({"epochs": epochs})
    given["features"] = () if features == "all" else tuple(features.split(","))
    given["protocols"] = tuple(protocol.split(","))
    given["classifiers"] = tuple(classifier.split(","))
    out = run(ClassifySettings.parse(given, where="tokser classify"))
    _show_results([out])
    click.echo(f"results -> {out}")


@main.command()
@click.argument("results", nargs=-1, required=True, type=FOLDER)
@click.option("--run", "runs", multiple=True, type=FOLDER, help="Pretraining run to plot.")
@click.option("--out", type=FILE, help="The page.  [default: report.html]")
@click.option("--title", help="Title of the page.")
@_reports_errors
def report(**options: Any) -> None:
    """Draw a page of tables and plots.

    RESULTS are folders written by `tokser classify`.
    """
    from tokser.config import ReportSettings
    from tokser.stages.report import report as draw

    page = draw(ReportSettings.parse(_given(options), where="tokser report"))
    click.echo(f"report -> {page}")


@main.group()
def store() -> None:
    """Look into a store."""


@store.command()
@click.argument("path", type=click.Path())
@_reports_errors
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
@_reports_errors
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
    click.echo(f"{path}: whole, {found.num_bytes / 1e9:.3f} GB checked at {rate:.1f} GB/s")


@main.command("run")
@click.argument("pipeline", type=FILE)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a variable, or a place such as classify.0.grid.epochs; may be repeated.",
)
@_reports_errors
def run_file(pipeline: Path, overrides: tuple[str, ...]) -> None:
    """Run a declared pipeline, skipping what is done.

    PIPELINE is a YAML file, see the folder pipelines/.
    """
    from tokser.pipeline import load_pipeline
    from tokser.stages.run import run_pipeline

    result = run_pipeline(load_pipeline(pipeline, overrides))
    _show_results(result.results)
    if result.report:
        click.echo(f"report -> {result.report}")
    _exit_if_quarantined(result.quarantined)


@main.command()
@click.option(
    "--out", type=FOLDER, default=Path("demo"), help="Folder of everything.  [default: ./demo]"
)
@_reports_errors
def demo(out: Path) -> None:
    """Run everything on synthetic speech, no download."""
    from tokser.stages.demo import CAUTION
    from tokser.stages.demo import demo as run

    result = run(out)
    _show_results(result.results)
    click.secho(CAUTION, fg="yellow")
    click.echo(f"scores -> {out / 'results.csv'}")
    click.echo(f"report -> {result.report}")
    _exit_if_quarantined(result.quarantined)


def _grid(name: str | None) -> dict[str, Any]:
    if name == "baseline":
        return {}
    if name == "proposed":
        return {"batch_sizes": (4, 8, 16, 32), "learning_rates": (1e-3, 1e-2)}
    return {"batch_sizes": (32,), "learning_rates": (1e-3,)}


def _show_results(folders: list[Path]) -> None:
    from tokser.terminal import results_tables, show

    for table in results_tables(folders):
        show(table)


def _exit_if_quarantined(quarantined: Mapping[str, Mapping[str, str]]) -> None:
    from tokser.terminal import faults_table, show

    for path, reasons in quarantined.items():
        if reasons:
            click.echo(path)
            show(faults_table(reasons))
    if any(quarantined.values()):
        sys.exit(QUARANTINED_EXIT)
