"""The declarations of all corpora that tokser knows, and which folders hold them."""

import functools
from collections.abc import Mapping
from types import MappingProxyType

from tokser.corpora.declared.declaration import Declaration
from tokser.corpora.declared.names import declared_names
from tokser.corpora.declared.paths import Listing
from tokser.corpora.declared.read import read_declaration
from tokser.corpora.declared.registered import registered_corpora
from tokser.corpora.declared.scan import expression_of
from tokser.shipped import shipped_file

__all__ = [
    "all_declarations",
    "declarations",
    "known_declaration",
    "shipped_declaration",
    "shows",
]


@functools.cache
def shipped_declaration(dataset: str) -> Declaration:
    """Return the declaration of a corpus that comes with tokser."""
    return read_declaration(shipped_file("data_manifests", f"{dataset}.yaml"))


@functools.cache
def declarations() -> Mapping[str, Declaration]:
    """Return all declarations that come with tokser, by name."""
    return MappingProxyType({name: shipped_declaration(name) for name in declared_names()})


def all_declarations() -> Mapping[str, Declaration]:
    """Return the declarations that come with tokser, then those that other packages register."""
    return MappingProxyType({**declarations(), **registered_corpora().declarations})


def known_declaration(dataset: str) -> Declaration:
    """Return the declaration of a corpus that comes with tokser, or that a package registers."""
    if dataset in declared_names():
        return shipped_declaration(dataset)
    return registered_corpora().declarations[dataset]


def shows(declaration: Declaration, listing: Listing) -> bool:
    """Tell whether some files of a folder are those of a declared corpus."""
    if declaration.rows is not None:
        return bool(listing.matching(declaration.tables[declaration.rows.table].files))
    if declaration.files is None:
        return False
    expression = expression_of(declaration)
    found = listing.matching(declaration.files.include, declaration.files.exclude)
    return any(expression.fullmatch(path.rpartition(".")[0]) for path in found)
