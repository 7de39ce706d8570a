"""tokser: extract frozen speech and text activations once, then experiment in seconds.

    import tokser

    store = tokser.extract("emodb", root="corpora/emodb", encoders="openai/whisper-base",
                           layers="all", store="emodb.zarr")
    tokser.pool(store)
    results = tokser.classify(store, heads=["logreg", "mlp"])
    results.scores

A function imports what it needs when it is called; `import tokser` loads next to nothing.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if sys.version_info < (3, 11):  # noqa: UP036  from a checkout, nobody else asks
    raise ImportError(
        "tokser needs Python 3.11 or later, this is %d.%d: make a new environment, for instance "  # noqa: UP031
        "with `make install PYTHON=python3.11`." % sys.version_info[:2]
    )

if TYPE_CHECKING:
    from tokser import heads
    from tokser.api.aligner import Run, align, pretrain
    from tokser.api.compare_results import compare_results
    from tokser.api.experiments import classify, regress
    from tokser.api.features import extract, pool
    from tokser.api.labels import labels, relabel
    from tokser.api.models import TrainedModel, fit, load_model
    from tokser.api.pages import report
    from tokser.api.probes import probe, similarity
    from tokser.api.results import Results, load_results
    from tokser.api.scaling import scaling
    from tokser.api.sharing import pull, push
    from tokser.api.showing import show_progress
    from tokser.api.transcripts import transcribe
    from tokser.api.transfer import transfer
    from tokser.store import Store
    from tokser.threads import use_threads

__all__ = [
    "Results",
    "Run",
    "Store",
    "TrainedModel",
    "__version__",
    "align",
    "classify",
    "compare_results",
    "extract",
    "fit",
    "heads",
    "labels",
    "load_model",
    "load_results",
    "open_store",
    "pool",
    "pretrain",
    "probe",
    "pull",
    "push",
    "regress",
    "relabel",
    "report",
    "scaling",
    "show_progress",
    "similarity",
    "transcribe",
    "transfer",
    "use_threads",
]

__version__ = "0.1.0"

_HOMES = {
    "Results": "api.results",
    "Run": "api.aligner",
    "Store": "store",
    "TrainedModel": "api.models",
    "align": "api.aligner",
    "classify": "api.experiments",
    "compare_results": "api.compare_results",
    "extract": "api.features",
    "fit": "api.models",
    "labels": "api.labels",
    "load_model": "api.models",
    "load_results": "api.results",
    "pool": "api.features",
    "probe": "api.probes",
    "pull": "api.sharing",
    "push": "api.sharing",
    "regress": "api.experiments",
    "relabel": "api.labels",
    "scaling": "api.scaling",
    "show_progress": "api.showing",
    "similarity": "api.probes",
    "transcribe": "api.transcripts",
    "transfer": "api.transfer",
    "use_threads": "threads",
}
"""Where a name is defined; it is imported when it is asked for."""
_PACKAGES = ("heads", "pretrain", "report")
"""Modules of these names; the last two can be called: `tokser.pretrain(store)` is
`tokser.api.aligner.pretrain(store)`."""


def open_store(path: str | Path) -> "Store":
    """Open a store, read only.

    Args:
        path: Folder of the store, for instance `emodb.zarr`.

    Returns:
        The store, with `.utterances`, `.features`, and each feature by name.

    Raises:
        MissingInputError: There is nothing at `path`.
        StoreMismatchError: What is there is not a store of this format.

    Example:
        >>> import tokser
        >>> store = tokser.open_store("workspace/stores/emodb.zarr")
        >>> store.features[:2]
        ['whisper-base/layer-0', 'whisper-base/layer-1']
        >>> store["whisper-base/layer-3"].functionals().shape
        (30, 128)
    """
    from tokser.store import open_store as open_it  # zarr and pandas take a second to import

    return open_it(path)


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return _imported(name, name)
    if name in _HOMES:
        found = getattr(_imported(_HOMES[name], name), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _imported(home: str, name: str) -> Any:
    from tokser.missing_packages import missing_packages_named  # not by `import tokser`

    with missing_packages_named(name):
        return import_module(f"{__name__}.{home}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
