"""The commands that work on functionals: audit, classify, regress."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from tokser.cli.grid import GRID_HELP, parse_grid
from tokser.cli.options import (
    DATASET_NAME,
    FILE,
    FOLDER,
    check_option,
    device_option,
    only_given,
    reports_errors,
    show_results,
    store_option,
    tell,
    workspace_option,
    workspace_or_default,
)

__all__ = ["audit", "classify", "regress"]

Command = TypeVar("Command", bound=Callable[..., Any])

_PROTOCOLS = (
    "Names with commas between. random: 70:20:10 at random, leaks speakers; speaker (or "
    "loso): leave one speaker or session out; fixed: one published split by speakers; text: as "
    "speaker, and no sentence of test in train; kfold: whole groups dealt into folds.  "
    "[default: random,speaker]"
)
_FEATURES = (
    "Expressions with commas between: whisper-base/layer-6; a + b (one classifier on both); "
    "mean(a, b), weighted(a, b) (several classifiers, averaged); best(whisper-base/layer-*) (dev "
    "chooses); a:max (another functional).  [default: all that are pooled]"
)


def _with(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Put several options on a command, in the order in which --help shows them."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_split_options = (
    click.option("--protocol", "protocols", help=_PROTOCOLS),
    click.option(
        "--splits",
        "splits_file",
        type=FILE,
        help="Splits by id instead: a splits.json of another results folder, or what `tokser "
        "manifest emobox --splits-out` wrote. A fold without dev gets one from train.  "
        "[default: none]",
    ),
    click.option("--folds", "num_folds", type=int, help="Of kfold.  [default: 5]"),
    click.option(
        "--group-by",
        type=click.Choice(["speaker", "session", "sentence"]),
        help="What kfold keeps together.  [default: speaker]",
    ),
    click.option(
        "--stratify/--no-stratify",
        default=None,
        help="Whether each part of the random split has its share of every class; the paper's has "
        "not.  [default: --stratify]",
    ),
    click.option("--seed", type=int, help="Of splits, weights and order: the first.  [default: 0]"),
    click.option(
        "--seeds", "num_seeds", type=int, help="How many, counted from --seed.  [default: 1]"
    ),
)
_experiment_options = (
    click.option(
        "--dataset", type=DATASET_NAME, required=True, help="Which corpus the store holds."
    ),
    click.option(
        "--store", type=click.Path(), help="The store.  [default: WORKSPACE/stores/DATASET.zarr]"
    ),
    click.option("--features", help=_FEATURES),
    click.option(
        "--functionals",
        help="Of features that name none, with commas between: mean, std, and min, max, q25... if "
        "`tokser pool --functional` wrote them.  [default: mean,std]",
    ),
    *_split_options,
    click.option(
        "--standardise",
        type=click.Choice(["global", "speaker"]),
        help="global: by train alone; speaker: before that, each speaker by all of that speaker's "
        "recordings, without labels.  [default: global]",
    ),
    click.option(
        "--refit/--no-refit",
        default=None,
        help="Whether what dev selected (grid point, epoch, penalty) is trained again on train and "
        "dev together, for as many epochs, before it meets test. --no-refit tests it as it was "
        "selected: the paper's protocol.  [default: refit]",
    ),
    click.option(
        "--ledger",
        type=FILE,
        help="Record of all runs' test-set evaluations: each line tells how many other runs had "
        "evaluated a test set that overlaps.  [default: ledger.jsonl in the folder of the store, "
        "or above its folder `stores`]",
    ),
    check_option,
)


@click.command()
@store_option
@_with(*_split_options)
@click.option(
    "--duplicate-threshold",
    type=float,
    help="Cosine of standardised functionals from which on two recordings are near-duplicates; a "
    "lower one finds more copies and more false alarms.  [default: 6 times the spread of the "
    "corpus's own cosines, within 0.80 and 0.95]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.  [default: a table]")
@reports_errors
def audit(as_json: bool, **options: Any) -> None:
    """Tell what the parts of splits share, and what they lack.

    Speakers, sessions, sentences and recordings (by checksum, and near-duplicates by what a speech
    encoder makes of them) that test shares with train or dev, classes that a part lacks, parts too
    small to show anything, names that may be one speaker. A leak is no error: every table made of
    such a split is stamped LEAKS SPEAKERS or RECORDINGS, or SPEAKERS UNKNOWN
    where it cannot be told.
    """
    from tokser.config import AuditSettings
    from tokser.stages.audit import audit as look_over
    from tokser.terminal import audit_tables, show

    given = _listed(only_given(options))
    found = look_over(AuditSettings.parse(given, where="tokser audit"))
    if as_json:
        plain = {protocol: one.to_json() for protocol, one in found.items()}
        tell(json.dumps(plain, indent=1, ensure_ascii=False))
        return
    for table in audit_tables(found):
        show(table)


@click.command()
@_with(*_experiment_options)
@click.option("--grid", is_flag=False, flag_value="baseline", help=GRID_HELP)
@click.option(
    "--classifier",
    "classifiers",
    help="Names with commas between. mlp: the report's; linear: the same without hidden layers; "
    "logreg, svm, mlp-sklearn: scikit-learn's.  [default: mlp]",
)
@click.option("--epochs", type=int, help="Training epochs of the MLP.  [default: 30]")
@click.option(
    "--class-weights/--no-class-weights",
    default=None,
    help="Whether rare classes weigh more in the loss.  [default: all utterances weigh the same]",
)
@click.option(
    "--early-stopping",
    type=int,
    help="Epochs without a better dev UAR after which a model stops.  [default: never]",
)
@click.option(
    "--out", type=FOLDER, help="Folder of the results.  [default: WORKSPACE/results/DATASET]"
)
@click.option(
    "--scheduler",
    help="Address of a Dask scheduler (tcp://node1:8786) whose workers train mlp and linear.  "
    "[default: this machine trains]",
)
@click.option(
    "--cluster",
    type=FILE,
    help="Cluster file instead (pipelines/clusters): its jobs are queued for this run.  "
    "[default: none]",
)
@workspace_option
@device_option
@reports_errors
def classify(
    workspace: Path | None,
    grid: str | None,
    epochs: int | None,
    class_weights: bool | None,
    early_stopping: int | None,
    **options: Any,
) -> None:
    """Train and score emotion classifiers.

    They work on the functionals that `tokser pool` wrote into the store. Each fold selects grid
    point, layer and weights by its own dev part; scores come with 95 % intervals over speakers.
    """
    from tokser.config import ClassifySettings
    from tokser.stages.classify import classify as run

    training = {"epochs": epochs, "class_weights": class_weights, "early_stopping": early_stopping}
    given = _experiment(options, workspace, "")
    given["grid"] = parse_grid(grid) | only_given(training)
    out = run(ClassifySettings.parse(given, where="tokser classify"))
    show_results([out])
    tell(f"results -> {out}")


@click.command()
@_with(*_experiment_options)
@click.option(
    "--target",
    "targets",
    help="valence, arousal, dominance, with commas between.  [default: all three]",
)
@click.option(
    "--subset",
    type=click.Choice(["all", "labelled"]),
    help="Utterances: all that have ratings, or those that have an emotion label, too (of "
    "IEMOCAP's 10,039 turns the 5,531 of the four-class set).  [default: all]",
)
@click.option(
    "--regressor",
    "regressors",
    help="ridge, mlp-sklearn, or both with a comma.  [default: ridge]",
)
@click.option(
    "--out",
    type=FOLDER,
    help="Folder of the results.  [default: WORKSPACE/results/DATASET-dimensions]",
)
@workspace_option
@reports_errors
def regress(workspace: Path | None, **options: Any) -> None:
    """Predict valence, arousal and dominance (IEMOCAP), scored by concordance (CCC)."""
    from tokser.config import RegressSettings
    from tokser.stages.regress import regress as run

    given = _experiment(options, workspace, "-dimensions")
    out = run(RegressSettings.parse(given, where="tokser regress"))
    show_results([], [out])
    tell(f"results -> {out}")


def _experiment(options: dict[str, Any], workspace: Path | None, suffix: str) -> dict[str, Any]:
    """Turn options into settings; without a store, look in the workspace."""
    given = _listed(only_given(options))
    home = workspace_or_default(workspace)
    if "store" not in given:
        given["store"] = str(home / "stores" / f"{given['dataset']}.zarr")
        tell(f"store: {given['store']}", err=True)
    given.setdefault("out", home / "results" / f"{given['dataset']}{suffix}")
    if given.get("features") in (None, "all"):
        given.pop("features", None)
    else:
        given["features"] = (given["features"],)
    return given


def _listed(given: dict[str, Any]) -> dict[str, Any]:
    """Cut options that hold several names at their commas, with or without blanks."""
    several = ("protocols", "functionals", "classifiers", "targets", "regressors")
    names = {key: given[key].split(",") for key in several if key in given}
    return given | {key: tuple(name.strip() for name in found) for key, found in names.items()}
