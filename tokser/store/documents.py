"""What a store says about itself, as JSON that carries its own digest."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import xxhash

from tokser.errors import CorruptStoreError
from tokser.store.backend import Backend

__all__ = ["canonical", "checked", "damaged_files", "ids_digest", "with_digest"]

DIGEST = "digest"


def canonical(content: Any) -> bytes:
    """Return JSON with sorted keys and no spaces, in UTF-8: what digests are taken of."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(
        errors="surrogatepass"  # one flipped bit of a Korean letter gives what no text may hold
    )


def with_digest(content: dict[str, Any]) -> dict[str, Any]:
    """Add the xxh3-64 (hex) of the rest."""
    return content | {DIGEST: xxhash.xxh3_64_hexdigest(canonical(content))}


def checked(content: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the content without its digest.

    Raises:
        CorruptStoreError: The digest is another.
    """
    rest = {key: value for key, value in content.items() if key != DIGEST}
    found, wanted = xxhash.xxh3_64_hexdigest(canonical(rest)), content.get(DIGEST)
    if found != wanted:
        raise CorruptStoreError(
            where,
            expected=f"attributes with digest {wanted}",
            got=f"digest {found}",
            remedy="They were damaged or edited: restore this file, or extract into a new store.",
        )
    return rest


def ids_digest(ids: Sequence[str]) -> str:
    """Return the xxh3-64 (hex) of ids, a line feed between."""
    return xxhash.xxh3_64_hexdigest("\n".join(ids).encode())


def damaged_files(backend: Backend, files: Mapping[str, str]) -> list[str]:
    """Return the keys of small files that are not what their document says."""
    contents = backend.objects.get_many(list(files))
    return [
        key
        for (key, digest), content in zip(files.items(), contents, strict=True)
        if content is None or xxhash.xxh3_64_hexdigest(content) != digest
    ]
