"""The JSON files of an output folder, parsed and checked."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokser.experiments.results import current_protocol
from tokser.redaction import redacted_values

__all__ = ["parse_audit", "parse_lines", "parse_object"]


def parse_object(path: Path) -> dict[str, Any]:
    """Read a file of one JSON object; secrets in addresses, which old ones hold, are left out."""
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, Mapping):
        raise ValueError(f"expected one JSON object, got {type(content).__name__}")
    return redacted_values(dict(content))


def parse_audit(path: Path) -> dict[str, dict[str, Any]]:
    """Read `audit.json`: what each protocol shares between its sets."""
    audit = parse_object(path)
    for protocol, found in audit.items():
        if not isinstance(found, Mapping) or "leaks" not in found or "stamp" not in found:
            raise ValueError(f"expected `leaks` and `stamp` of protocol {protocol!r}")
    return {current_protocol(protocol): found for protocol, found in audit.items()}


def parse_lines(path: Path) -> tuple[dict[str, Any], ...]:
    """Read a file of JSON objects, one on each line."""
    lines = path.read_text(encoding="utf-8").split("\n")
    entries = tuple(json.loads(line) for line in lines if line.strip())
    if not all(isinstance(entry, Mapping) for entry in entries):
        raise ValueError("expected one JSON object on each line")
    return entries
