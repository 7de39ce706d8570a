"""Fetch a shared store or model."""

from tokser.config import PullSettings
from tokser.sharing.places import place_at
from tokser.sharing.pull import Pulled, pull_package

__all__ = ["pull"]


def pull(settings: PullSettings) -> Pulled:
    """Fetch a package, or some features of a store; the same call continues where it stopped.

    Raises:
        MissingInputError: There is nothing that was pushed.
        SettingsError: The target exists, or the store has no such feature.
        DamagedFileError: A file is not the one that was pushed, or the signature is not right.
        RunError: The place does not answer.
    """
    return pull_package(
        place_at(settings.source),
        settings.target,
        features=settings.features,
        functionals_only=settings.functionals_only,
        signed_by=settings.signed_by,
    )
