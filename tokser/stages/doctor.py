"""What is installed and whether it works together, what is missing, and how to fix it."""

import importlib
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from tokser.corpora.completeness import completeness
from tokser.corpora.declared.registered import registered_corpora
from tokser.corpora.registry import declaration_of, find_corpora
from tokser.errors import CorpusError
from tokser.missing_packages import extra_of, extras, is_installed
from tokser.provenance import versions
from tokser.stages.encoders import registered_encoders
from tokser.threads import num_threads

__all__ = ["Finding", "doctor"]

_FREE_GB_WANTED = 10.0
_OF_THE_PAPER = {
    "librispeech": "tokser download librispeech --split dev-clean",
    "emodb": "tokser download emodb",
    "iemocap": "",
}
"""Corpora that are missed where they are not there, and the commands that fetch them."""


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        what: Its name.
        state: `ok`, `note` (something is missing that only some commands need), or `error`.
        detail: What was found.
        remedy: How to fix it; empty if nothing is to be fixed.
    """

    what: str
    state: Literal["ok", "note", "error"]
    detail: str
    remedy: str = ""


def doctor(workspace: Path, corpora: Sequence[Path] = ()) -> list[Finding]:
    """Check packages, devices, disk, corpora and stores.

    Args:
        workspace: Folder of stores, runs and results.
        corpora: Folders of corpora, or that contain such folders; empty: the usual places.
    """
    return [
        Finding("Python", "ok", sys.version.split()[0]),
        *_packages(),
        _extras(),
        _torchaudio(),
        _synthesiser(),
        *_registered(),
        *_devices(),
        _disk(workspace),
        *_corpora(tuple(corpora) or (workspace / "corpora", Path("corpora"), Path("data"))),
        _stores(workspace),
    ]


def _packages() -> Iterator[Finding]:
    for package, version in versions().items():
        if package == "python":
            continue
        extra = extra_of(package, "train")
        if version == "not installed" and extra:
            yield Finding(package, "note", version, f"pip install 'tokser[{extra}]'")
        elif version == "not installed":
            yield Finding(package, "error", version, f"pip install {package}")
        else:
            yield Finding(package, "ok", version)


def _extras() -> Finding:
    """Extras of tokser of which a package is not installed."""
    lacking = {
        extra: sorted(p for p in all_of if not is_installed(p))
        for extra, all_of in extras().items()
    }
    lacks_some = [extra for extra, lacks in lacking.items() if lacks and extra != "all"]
    if not lacks_some:
        return Finding("extras", "ok", "all are installed")
    detail = f"not installed: {', '.join(lacks_some)}"
    return Finding("extras", "note", detail, "pip install 'tokser[all]', or those that you need")


def _torchaudio() -> Finding:
    """Torchaudio loads only with the torch of its own release and CUDA version."""
    what = "torch and torchaudio"
    try:
        torch, torchaudio = metadata.version("torch"), metadata.version("torchaudio")
    except metadata.PackageNotFoundError:
        got = "not both there; extraction needs them"
        return Finding(what, "note", got, "pip install 'tokser[features]'")
    for package in ("torch", "torchaudio"):
        try:
            importlib.import_module(package)
        except (ImportError, OSError, RuntimeError, AttributeError) as error:
            release = ".".join(torchaudio.split(".")[:2])
            return Finding(
                what,
                "error",
                f"torch {torch}, torchaudio {torchaudio}: {package} cannot be imported ({error})",
                f'pip install "torch=={release}.*" "torchaudio=={release}.*"',
            )
    return Finding(what, "ok", "match each other")


def _synthesiser() -> Finding:
    try:
        return Finding("speech synthesiser", "ok", metadata.version("espeakng-loader"))
    except metadata.PackageNotFoundError:
        remedy = 'pip install "tokser[demo]"'
        return Finding("speech synthesiser", "note", "none; `tokser demo` needs it", remedy)


def _registered() -> Iterator[Finding]:
    """Encoders and corpora of other packages: whether they can be loaded."""
    remedy = "Update or uninstall that package, or ask its authors; tokser works without it."
    for one in registered_encoders():
        what = f"encoder {one.name}"
        if one.fault:
            yield Finding(what, "note", f"{one.origin}: {one.fault}", remedy)
        else:
            yield Finding(what, "ok", one.origin)
    corpora = registered_corpora()
    for name, package in corpora.packages.items():
        yield Finding(f"corpus {name}", "ok", package)
    for name, fault in corpora.faults.items():
        yield Finding(f"corpora of {name}", "note", fault.got, fault.remedy)


def _devices() -> Iterator[Finding]:
    try:
        import torch
    except (ImportError, OSError):  # said already, with its remedy
        yield Finding("CPU", "ok", f"{os.cpu_count()} cores, {num_threads()} threads")
        return
    yield Finding("CPU", "ok", f"{os.cpu_count()} cores, {num_threads()} threads")
    if not torch.cuda.is_available():
        yield Finding("GPU", "note", "none that torch can use; extraction runs on the CPU")
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        memory = f"{properties.total_memory / 2**30:.0f} GiB"
        yield Finding(f"cuda:{index}", "ok", f"{properties.name}, {memory}")


def _disk(workspace: Path) -> Finding:
    place = next(p for p in (workspace.absolute(), *workspace.absolute().parents) if p.exists())
    free_gb = shutil.disk_usage(place).free / 1e9
    detail = f"{free_gb:.1f} GB free at {place}"
    if free_gb >= _FREE_GB_WANTED:
        return Finding("disk", "ok", detail)
    remedy = "Free some, or set TOKSER_HOME to a larger disk (LibriSpeech-960 takes 180 GB)."
    return Finding("disk", "note", detail, remedy)


def _corpora(places: Sequence[Path]) -> Iterator[Finding]:
    searched = ", ".join(str(place) for place in places)
    found = find_corpora(places)
    for name in (*_OF_THE_PAPER, *(other for other in found if other not in _OF_THE_PAPER)):
        yield from (_corpus(name, root) for root in found[name])
        if not found[name] and name in _OF_THE_PAPER:
            remedy = _OF_THE_PAPER[name] or (
                f"It needs a licence. {declaration_of(name).how_to_get} "
                "Then: tokser doctor --corpora FOLDER"
            )
            yield Finding(name, "note", f"not in {searched}", remedy)


def _corpus(name: str, root: Path) -> Finding:
    try:
        found = completeness(name, root)
    except CorpusError as error:
        got = f"{root}: {error.got}"
        return Finding(name, "error", got, error.remedy)
    parts = f" ({found.parts})" if found.parts else ""
    detail = f"{root}: {found.num_utterances:,} utterances{parts}"
    if not found.lacks:
        return Finding(name, "ok", detail)
    detail = f"{detail}; incomplete: {'; '.join(found.lacks)}"
    remedy = "Download the missing parts; what is there can be used as it is."
    return Finding(name, "note", detail, remedy)


def _stores(workspace: Path) -> Finding:
    stores = sorted(path.name for path in (workspace / "stores").glob("*.zarr"))
    if stores:
        return Finding("stores", "ok", f"{', '.join(stores)} in {workspace / 'stores'}")
    return Finding("stores", "note", f"none in {workspace / 'stores'}", "tokser extract --help")
