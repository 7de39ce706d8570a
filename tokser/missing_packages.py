"""Packages that are not installed, and the extra of tokser that brings them."""

import functools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import ParamSpec, TypeVar

from tokser.errors import MissingPackageError

__all__ = [
    "extra_of",
    "extras",
    "is_installed",
    "missing_package",
    "missing_packages_named",
    "names_missing_packages",
]

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_DISTRIBUTIONS = {"sklearn": "scikit-learn", "umap": "umap-learn", "yaml": "pyyaml"}
"""Packages that are imported under another name."""
_OF_DEVELOPERS = ("dev", "docs")
_USES = {
    "Results": "report",
    "TrainedModel": "predict",
    "apply": "tune",
    "audit": "report",
    "compare_results": "report",
    "demo": "demo",
    "export": "export",
    "export_model": "onnx",
    "extract": "features",
    "labels": "labels",
    "load_model": "predict",
    "load_results": "report",
    "predict": "predict",
    "report": "report",
    "timeline": "predict",
    "transcribe": "transcribe",
    "tune": "tune",
}
"""Extras that commands and functions need, where it is not `train`."""


def extras() -> dict[str, frozenset[str]]:
    """Return the packages that each extra brings, without those for developers."""
    found: dict[str, set[str]] = {}
    for requirement in metadata.requires("tokser") or ():
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", requirement)
        if extra and extra[1] not in _OF_DEVELOPERS:
            found.setdefault(extra[1], set()).add(_package_of(requirement))
    return {extra: frozenset(packages) for extra, packages in sorted(found.items())}


def extra_of(package: str, use: str | None = None) -> str | None:
    """Return the extra that brings a package; None: tokser itself does, or nobody.

    Args:
        package: Its name in an index, for instance `scikit-learn`.
        use: An extra that is preferred, if it is one of those; else it is the smallest.
    """
    bringing = {extra: brought for extra, brought in extras().items() if package in brought}
    if use in bringing:
        return use
    return min(bringing, key=lambda extra: len(bringing[extra]), default=None)


def missing_package(error: ImportError, command: str) -> MissingPackageError | None:
    """Say which extra brings the package that could not be imported.

    Args:
        error: As it was caught.
        command: Name of the command or the function that was called.

    Returns:
        None: The package is installed, or no extra brings it.
    """
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    module = error.name.partition(".")[0]
    package = _DISTRIBUTIONS.get(module, module.lower().replace("_", "-"))
    extra = extra_of(package, _USES.get(command, "train"))
    if extra is None or is_installed(package):
        return None
    return MissingPackageError(
        package,
        expected="a package that is installed",
        got="none",
        remedy=f"Run pip install 'tokser[{extra}]', or 'tokser[all]' for everything.",
    )


@contextmanager
def missing_packages_named(command: str) -> Iterator[None]:
    """Let a block say which extra it needs, where a package is not installed.

    Args:
        command: As of `missing_package`.

    Raises:
        MissingPackageError: A package of an extra is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = missing_package(error, command)
        if missing is None:
            raise
        raise missing from error


def names_missing_packages(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Let a function say which extra it needs, where a package is not installed."""

    @functools.wraps(function)
    def wrapped(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        with missing_packages_named(function.__name__):
            return function(*args, **kwargs)

    return wrapped


def is_installed(package: str) -> bool:
    """Return whether a package is installed, even if it cannot be imported."""
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _package_of(requirement: str) -> str:
    """Return the normalised name in a requirement such as `moto[s3]>=5.1; extra == 'dev'`."""
    name = re.match(r"[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", name[0]).lower() if name else ""
