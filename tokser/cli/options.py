"""What commands share: options, types, errors as messages, exit codes."""

import errno
import functools
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
import click.shell_completion

from tokser.console import UTF_8_REMEDY, shown
from tokser.errors import SettingsError, TokserError, shortened

__all__ = [
    "DATASETS",
    "DATASET_NAME",
    "EXIT_CODES",
    "FILE",
    "FOLDER",
    "QUARANTINED_EXIT",
    "check_option",
    "cluster_option",
    "device_option",
    "exit_if_quarantined",
    "key_values",
    "only_given",
    "reports_errors",
    "scheduler_option",
    "show_results",
    "splits_option",
    "store_option",
    "subset_option",
    "tell",
    "training_options",
    "workspace_option",
    "workspace_or_default",
]

QUARANTINED_EXIT = 3
EXIT_CODES = (
    "Exit codes: 0 ok; 1 the run failed; 2 the input or the call is wrong; "
    "3 finished, with utterances in quarantine."
)
DATASETS = click.Choice(["librispeech", "emodb", "iemocap"])


class _DatasetName(click.ParamType[str]):
    """One of the known corpora, which the shell completes, or any other name."""

    name = "dataset"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        return DATASETS.shell_complete(ctx, param, incomplete)


DATASET_NAME = _DatasetName()
FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)

_ROOM = "Make room, then run the same command again: what was finished is kept."
_RIGHT = "Get the right to it, or name another place."
_NAME = "Name another place: a file is where a folder should be, or the other way round."
_DRIVE = "Mount the drive again, then run the same command again: what was finished is kept."
_LIMIT = "Raise the limit (`ulimit -n 4096`), then run the same command again."
_FAULTS: dict[tuple[int, ...], tuple[int, str, str]] = {
    (errno.ENOSPC, errno.EDQUOT): (1, "room on the disk", _ROOM),
    (errno.EFBIG,): (1, "room for a file of this size", _ROOM),
    (errno.EROFS,): (2, "a place to write to", _RIGHT),
    (errno.EACCES, errno.EPERM): (2, "a file or folder that you may read, or write to", _RIGHT),
    (errno.EEXIST, errno.ENOTDIR): (2, "a folder", _NAME),
    (errno.EISDIR,): (2, "a file", _NAME),
    (errno.EIO,): (
        1,
        "a disk that works",
        "Save what can be read, have the disk or the network drive looked at (`dmesg`), then run "
        "the same command again.",
    ),
    (errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ETIMEDOUT, errno.EHOSTDOWN): (
        1,
        "a drive that answers",
        _DRIVE,
    ),
    (errno.EMFILE, errno.ENFILE): (1, "room for one more open file", _LIMIT),
    (errno.ENOLCK,): (1, "a disk with file locks", "Name a place on a disk that has them."),
    (errno.ENOENT,): (
        1,
        "a file or folder",
        "See who removes it, then run the same command again.",
    ),
    (errno.ENAMETOOLONG,): (
        2,
        "a name that the disk takes",
        "Shorten it: disks take 255 bytes.",
    ),
    (errno.ELOOP,): (2, "a link that leads somewhere", "Correct the links: they go in a circle."),
}
_DISK_FAULTS = {number: fault for numbers, fault in _FAULTS.items() for number in numbers}
_OTHER_FAULT = (1, "to read or write it", "Mend that, then run the same command again.")

Command = TypeVar("Command", bound=Callable[..., Any])


def reports_errors(command: Command) -> Command:
    """Print what went wrong as one message, exit with its code; SIGTERM stops as Ctrl-C does."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            command(*args, **kwargs)
        except TokserError as error:
            _exit(error.exit_code, str(error))
        except UnicodeEncodeError as error:
            _exit(2, _not_encodable(error))
        except ImportError as error:
            if (error.name or "").startswith("tokser"):  # ours to mend
                raise
            _exit(2, _broken_installation(error))
        except OSError as error:
            if error.errno is None and _is_of_loader(error):
                _exit(2, _broken_installation(error))
            code, expected, remedy = _DISK_FAULTS.get(error.errno or 0, _OTHER_FAULT)
            where = _without_partial(str(error.filename or "disk"))
            _exit(code, f"{where}: expected {expected}, got {error.strerror or error}. {remedy}")
        except KeyboardInterrupt:
            tell("Stopped. What is done is kept: run the same command again.", err=True)
            sys.exit(1)
        finally:
            signal.signal(signal.SIGTERM, before)

    return wrapped  # type: ignore[return-value]  # click only looks at the wrapped name and options


def tell(message: str, *, colour: str | None = None, err: bool = False) -> None:
    """Print a message as text: no escape sequences, no passwords of addresses.

    Args:
        message: What may hold text of a corpus, a file name or an address.
        colour: Of all of it, on a terminal.
        err: Whether it goes to standard error.
    """
    click.secho(shown(message), fg=colour, err=err)


def _is_of_loader(error: OSError) -> bool:
    """Tell a library that the system could not load from the rest; it has no number."""
    return "shared object" in str(error) or "DLL" in str(error)


def _broken_installation(error: Exception) -> str:
    """Say what of the installation cannot be loaded."""
    name = getattr(error, "name", None) or "an installed package"
    return (
        f"{name}: expected one that can be imported, got {type(error).__name__}: {error}. "
        "Run `tokser doctor`, which tells what does not fit, most often torch and torchaudio."
    )


def _not_encodable(error: UnicodeEncodeError) -> str:
    """Say why a name cannot be handed to the system: its locale, or the name itself."""
    encoding = sys.getfilesystemencoding()
    name = ascii(error.object[max(error.start - 20, 0) : error.end + 20])
    if encoding.lower() not in ("utf-8", "utf8"):
        return (
            f"{name}: expected an environment in UTF-8, got {encoding}. {UTF_8_REMEDY}, then run "
            "the same command again."
        )
    return f"{name}: expected a name in UTF-8, got other bytes. Rename the file or folder."


def _exit(code: int, message: str) -> NoReturn:
    tell(f"Error: {message}", colour="red", err=True)
    sys.exit(code)


def _without_partial(path: str) -> str:
    """Name the file that was to be written, not the one that it is written to first."""
    folder, name = os.path.split(path)
    parts = name.removeprefix(".").removesuffix(".partial").rsplit(".", 1)
    return os.path.join(folder, parts[0]) if name.endswith(".partial") else path  # noqa: PTH118


def only_given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Drop the options that were not given, so that the settings' own defaults hold."""
    return {key: value for key, value in values.items() if value is not None and value != ()}


def key_values(texts: Sequence[str], option: str) -> dict[str, Any]:
    """Read `KEY=VALUE` texts; values are read as YAML."""
    from tokser.yaml_file import parse_yaml

    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise SettingsError(
                f"{option} {text}", expected="KEY=VALUE", got=text, remedy="Write it so."
            )
        found[key] = parse_yaml(value, where=f"{option} {shortened(text)}")
    return found


def workspace_or_default(chosen: Path | None) -> Path:
    """Return the folder of stores, runs and results."""
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
check_option = click.option(
    "--check/--no-check",
    default=None,
    help="Whether what is read from the store is held against its checksums, so that a flipped bit "
    "is an error and no other score.  [default: --check]",
)
scheduler_option = click.option(
    "--scheduler",
    metavar="tcp://HOST:PORT",
    help="Let the workers of this Dask scheduler do the work; they need to see the same paths. "
    "Needs tokser[cluster].  [default: this process]",
)
cluster_option = click.option(
    "--cluster",
    type=FILE,
    help="Queue workers as this file says (Slurm, SGE, PBS; see pipelines/clusters) and let them "
    "do the work. Needs tokser[cluster].  [default: this process]",
)
splits_option = click.option(
    "--split",
    "splits",
    multiple=True,
    help="LibriSpeech part, e.g. train-clean-100; may be repeated.  [default: all that are there]",
)
subset_option = click.option(
    "--subset",
    type=click.Choice(["all", "recognised", "four-class"]),
    help="EmoDB: all 535 recordings, or the 493 recognised ones of the paper's Table 1; IEMOCAP: "
    "all 10,039 rated turns, or the 5,531 of the four-class set.  [default: all]",
)


_TRAINING = (
    click.option(
        "--precision",
        type=click.Choice(["fp32", "bf16"]),
        help="Of the matrix products; weights, sums and Adam stay in fp32.  [default: fp32]",
    ),
    click.option(
        "--schedule",
        type=click.Choice(["constant", "cosine", "linear"]),
        help="How the learning rate falls to the last step.  [default: constant]",
    ),
    click.option(
        "--warmup-steps", type=int, help="Steps over which it rises from 0.  [default: 0]"
    ),
    click.option(
        "--clip-norm", type=float, help="Shorten gradients that are longer.  [default: none is]"
    ),
    click.option(
        "--patience",
        type=int,
        help="Stop after so many epochs without a better dev match rate.  [default: never]",
    ),
    click.option(
        "--text-only/--no-text-only",
        default=None,
        help="Train a linear map of the queries alongside, as a control that hears nothing; a "
        "third of a step.  [default: do]",
    ),
    click.option(
        "--order",
        type=click.Choice(["global", "shards"]),
        help="Shuffle all utterances, or those of a few shards at a time, for spinning disks and "
        "object stores.  [default: global]",
    ),
    click.option(
        "--shards-at-once",
        type=int,
        help="With --order shards: shards that are mixed. Shards hold the corpus in its order, so "
        "few of them are few speakers.  [default: 8]",
    ),
    click.option(
        "--preload",
        type=click.Choice(["none", "ram", "device"]),
        help="Copy the features into memory first, or into the GPU's.  [default: none]",
    ),
    click.option(
        "--save-steps",
        type=int,
        help="Steps between two savings within an epoch: what a kill costs.  [default: 500]",
    ),
    click.option(
        "--resume/--restart",
        default=None,
        help="Go on with a run that was stopped, or begin it anew.  [default: --resume]",
    ),
    click.option(
        "--track",
        multiple=True,
        type=click.Choice(["wandb", "mlflow"]),
        help="Also tell Weights & Biases (WANDB_MODE=offline works) or MLflow "
        "(MLFLOW_TRACKING_URI); may be repeated.  [default: CSV and TensorBoard alone]",
    ),
    click.option(
        "--devices",
        type=int,
        help="Processes on each machine, one a GPU, started by torchrun or srun; a batch is "
        "dealt out to all.  [default: 1]",
    ),
    click.option("--nodes", type=int, help="Machines.  [default: 1]"),
    click.option(
        "--loss",
        type=click.Choice(["gathered", "local"]),
        help="Several processes: each computes the loss of all tokens, or its own rows of it. Both "
        "are exact.  [default: gathered]",
    ),
)


def training_options(command: Command) -> Command:
    """Add the options of training itself."""
    for option in reversed(_TRAINING):
        command = option(command)
    return command


def show_results(folders: list[Path], regressions: Sequence[Path] = ()) -> None:
    """Print the scores of results folders, and of those of `tokser regress`."""
    from tokser.terminal import regression_table, results_tables, show

    for table in [*results_tables(folders), *map(regression_table, regressions)]:
        show(table)


def exit_if_quarantined(quarantined: Mapping[str, Mapping[str, str]]) -> None:
    """Print the reasons of each store, and exit with 3, if an utterance was set aside."""
    from tokser.terminal import faults_table, show

    for path, reasons in quarantined.items():
        if reasons:
            tell(path)
            show(faults_table(reasons))
    if any(quarantined.values()):
        sys.exit(QUARANTINED_EXIT)
