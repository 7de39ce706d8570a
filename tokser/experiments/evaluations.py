"""The ledger of a run, and what makes it another run than those before."""

from pathlib import Path
from typing import Any

from tokser.checksummed_folder import ChecksummedFolder
from tokser.errors import SettingsError
from tokser.experiments.dataset import Dataset, ExperimentSettings
from tokser.experiments.joined_ledger import JoinedLedger
from tokser.experiments.joined_store import JoinedStore
from tokser.experiments.ledger import LEDGER, Ledger, shared_ledger
from tokser.progress import warn
from tokser.provenance import Stamp, digest_of, first_spelling

__all__ = ["open_ledger", "restore_ledger", "run_digest"]

_NOT_CONTENT = Stamp.PLACES | {"seed", "num_seeds", "splits_file"}
"""Settings that say where a run is kept, or how often it is repeated; splits from a file count by
the file's content."""
_CHOICES = ("classifiers", "regressors", "targets")


def open_ledger(settings: ExperimentSettings, stamp: Stamp, dataset: Dataset) -> Ledger:
    """Return the ledger of a run, and find the one that all runs on its store share.

    Raises:
        SettingsError: `--ledger` names the run's own file.
        InputError: The shared file is no ledger.
        RunError: Its disk has no file locks.
    """
    own = settings.out / LEDGER
    stores = (settings.store,) if isinstance(settings.store, str) else settings.store
    shared = settings.ledger or shared_ledger(stores[0], settings.out)
    if shared.resolve() == own.resolve():
        raise SettingsError(
            f"--ledger {shared}",
            expected="a file that runs share",
            got="the one that this run has for itself",
            remedy="Name a file outside --out, or leave --ledger out.",
        )
    beside = settings.out.absolute().parent / LEDGER  # where earlier versions shared it
    earlier = [] if settings.ledger or beside.resolve() == shared.resolve() else [beside]
    kept: dict[str, Any] = {
        "shared": shared,
        "run": run_digest(stamp, dataset),
        "former": stamp.digest,
        "earlier": earlier,
    }
    if isinstance(dataset.store, JoinedStore):
        return JoinedLedger(own, list(dataset.store.stores), **kept)
    return Ledger(own, **kept)


def restore_ledger(out: Path, ledger: Ledger) -> None:
    """Write a run's own file again if it is damaged, from what all runs share."""
    checksummed = ChecksummedFolder(out)
    is_damaged = LEDGER in checksummed.listed() and not checksummed.is_whole(LEDGER)
    is_lost = (out / "parts").is_dir() and not (out / LEDGER).is_file()
    if is_damaged or is_lost or not ledger.is_readable():
        warn(f"{out / LEDGER} is damaged or gone: it is written again from the shared ledger")
        checksummed.put({LEDGER: ledger.lines()})


def run_digest(stamp: Stamp, dataset: Dataset) -> str:
    """Return what tells a run from others: the digest of what it evaluates.

    That is stage, features, protocols, classifiers or regressors, grid, preparation, and the data
    behind the features; not where its files lie, nor how many seeds it repeats.
    """
    settings = {
        key: value for key, value in stamp.content["settings"].items() if key not in _NOT_CONTENT
    }
    settings |= {key: sorted(set(settings[key])) for key in _CHOICES if key in settings}
    settings["features"] = sorted({str(e) for e in (*dataset.trained, *dataset.combined)})
    settings["protocols"] = sorted(first_spelling("protocols", list(dataset.plans)))
    return digest_of([stamp.content["stage"], settings, stamp.content["inputs"]])
