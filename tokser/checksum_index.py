"""`SHA256SUMS`: the digests of files by name, in the form of `sha256sum`.

`sha256sum --check SHA256SUMS` checks a folder without tokser. The first line, a comment, holds the
digest of the rest, so that a damaged index is noticed, and what the files were made of.
"""

import hashlib
import re
from typing import NamedTuple

__all__ = ["INDEX", "ChecksumIndex"]

INDEX = "SHA256SUMS"
_HEADER = re.compile(r"# tokser, made of (\w*), sha256 of the lines below: (\w{64})")
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


class ChecksumIndex(NamedTuple):
    """What an index says.

    Attributes:
        made_of: Digest of what the files are made of; may be empty.
        digests: sha256 (hex) by name; two of a file while another takes its place.
    """

    made_of: str
    digests: dict[str, tuple[str, ...]]

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        lines = [f"{d}  {name}\n" for name in sorted(self.digests) for d in self.digests[name]]
        rest = "".join(lines).encode()
        digest = hashlib.sha256(self.made_of.encode() + rest).hexdigest()
        header = f"# tokser, made of {self.made_of}, sha256 of the lines below: {digest}\n"
        return header.encode() + rest

    @classmethod
    def from_bytes(cls, content: bytes) -> "ChecksumIndex":
        """Read a file's content; `ValueError` if it is not as it was written."""
        header, _, rest = content.partition(b"\n")
        found = _HEADER.fullmatch(header.decode(errors="replace"))
        if not found or hashlib.sha256(found[1].encode() + rest).hexdigest() != found[2]:
            raise ValueError("another text")
        digests: dict[str, tuple[str, ...]] = {}
        for line in rest.decode().splitlines():
            if parts := _LINE.fullmatch(line):
                digests[parts[2]] = (*digests.get(parts[2], ()), parts[1])
        return cls(found[1], digests)
