"""What a store and its groups say about themselves, written."""

from tokser.store.backend import Backend
from tokser.store.documents import with_digest
from tokser.store.schema import GroupAttributes, RootAttributes

__all__ = ["write_group", "write_root"]


def write_root(backend: Backend, root: RootAttributes) -> None:
    """Write what a store says about itself."""
    backend.write_document("", with_digest(root.document()))


def write_group(backend: Backend, name: str, attributes: GroupAttributes) -> None:
    """Write what a group says about itself."""
    backend.write_document(name, with_digest(attributes.document()))
