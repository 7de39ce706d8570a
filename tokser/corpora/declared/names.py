"""Names of the declared corpora, without reading a declaration: for the shell, and for help."""

from tokser.shipped import shipped_names

__all__ = ["declared_names"]


def declared_names() -> tuple[str, ...]:
    """Return the names of the corpora that come with tokser, in alphabetical order."""
    names = shipped_names("data_manifests")
    return tuple(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))
