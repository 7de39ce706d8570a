"""Declarations of corpora that other packages register, group `tokser.corpora`.

An entry point names the path of a declaration (YAML), of a folder of them, or several paths. What
cannot be read is left out with a warning; the other corpora work as ever.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tokser.corpora.declared.declaration import Declaration
from tokser.corpora.declared.names import declared_names
from tokser.corpora.declared.read import read_declaration
from tokser.errors import InputError, SettingsError, TokserError
from tokser.plugins import CORPORA, Plugin, plugins
from tokser.progress import warn

__all__ = ["RegisteredCorpora", "registered_corpora"]


@dataclass(frozen=True)
class RegisteredCorpora:
    """What other packages register.

    Attributes:
        declarations: By name of the corpus.
        packages: Who registers each, by name of the corpus.
        faults: What is wrong with an entry point, by its name and package.
    """

    declarations: Mapping[str, Declaration]
    packages: Mapping[str, str]
    faults: Mapping[str, TokserError]


@functools.cache
def registered_corpora() -> RegisteredCorpora:
    """Read all declarations that other packages register; what cannot be read is a warning."""
    found: dict[str, Declaration] = {}
    packages: dict[str, str] = {}
    faults: dict[str, TokserError] = {}
    for plugin in plugins(CORPORA):
        try:
            for path in _paths(plugin):
                declaration = read_declaration(path)
                _require_new(declaration.dataset, plugin, packages)
                found[declaration.dataset] = declaration
                packages[declaration.dataset] = plugin.package
        except TokserError as fault:
            faults[f"{plugin.name} ({plugin.package})"] = fault
            warn(f"corpora that {plugin.package} registers are left out: {fault}")
    return RegisteredCorpora(
        MappingProxyType(found), MappingProxyType(packages), MappingProxyType(faults)
    )


def _paths(plugin: Plugin) -> list[Path]:
    """Return the files that an entry point names."""
    named: Any = plugin.load()
    given = [named] if isinstance(named, str | Path) else named
    try:
        paths = [Path(one) for one in given]
    except TypeError as error:
        raise plugin.fault(error) from error
    files = [f for p in paths for f in (sorted(p.glob("*.yaml")) if p.is_dir() else [p])]
    if not files:
        raise InputError(
            f"{plugin.name}, registered by {plugin.package}",
            expected=f"declarations of corpora (YAML) at {plugin.value}",
            got="none",
            remedy=f"Update or uninstall {plugin.package.partition(' ')[0]}, or ask its authors.",
        )
    return files


def _require_new(dataset: str, plugin: Plugin, packages: Mapping[str, str]) -> None:
    """Refuse a corpus that comes with tokser, or that another package registers."""
    owner = "tokser" if dataset in declared_names() else packages.get(dataset)
    if owner is not None:
        raise SettingsError(
            f"{plugin.name}, registered by {plugin.package}",
            expected="a corpus of a name of its own",
            got=f"{dataset!r}, which {owner} has",
            remedy="Ask its authors to rename it, or name its file with --corpus.",
        )
