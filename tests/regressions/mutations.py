"""Seeded damage to files: bytes cut or changed, and JSON whose keys go or whose types change."""

import copy
import json
import os
import random
from pathlib import Path
from typing import Any

FULL = os.environ.get("TOKSER_FAULTS") == "full"
ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 7, 1.5, 1e300, "", "x", "1", [], [1], ["x"], {}, {"a": 1}, 2**70),
)


def num_seeds(usual: int, full: int) -> range:
    """As many as the run is meant to try."""
    return range(full if FULL else usual)


def damage(folder: Path, seed: int) -> str:
    """Change one file of a folder, and say how."""
    rng = random.Random(seed)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path = rng.choice(files)
    content = path.read_bytes()
    whole = json_of(content)
    if whole is not None and rng.random() < 0.75:
        changed, how = changed_json(whole, rng)
        path.write_text("\n".join(json.dumps(line) for line in changed))
        return f"seed {seed}: {path.name}, {how}"
    changed_bytes, how = changed_text(content, rng)
    path.write_bytes(changed_bytes)
    return f"seed {seed}: {path.name}, {how}"


def json_of(content: bytes) -> list[Any] | None:
    """Read JSON, or JSON lines."""
    try:
        return [json.loads(content)]
    except ValueError:
        pass
    try:
        return [json.loads(line) for line in content.split(b"\n") if line.strip()] or None
    except ValueError:
        return None


def changed_json(value: list[Any], rng: random.Random) -> tuple[list[Any], str]:
    changed = copy.deepcopy(value)
    places = [place for place in _places(changed) if place[0] is not changed]
    if not places:
        return [rng.choice(ODD)], "replaced"
    holder, key = rng.choice(places)
    if rng.random() < 0.3:
        del holder[key]
        return changed, f"without {key!r}"
    old, holder[key] = holder[key], rng.choice(ODD)
    return changed, f"{key!r} = {holder[key]!r} for {str(old)[:40]!r}"


def _places(value: Any) -> list[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value))[:60]
    here = [(value, key) for key in keys]
    inner = [value[key] for key in keys if isinstance(value[key], dict | list)]
    return here + [place for one in inner for place in _places(one)]


def changed_text(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    place = rng.randrange(len(content) + 1)
    kind = rng.choice(("cut", "bytes", "hole", "empty", "other"))
    if kind == "cut":
        return content[:place], f"cut at {place}"
    if kind == "bytes":
        return content[:place] + rng.randbytes(8) + content[place + 8 :], f"bytes at {place}"
    if kind == "hole":
        return content[:place] + content[place + 40 :], f"40 bytes gone at {place}"
    if kind == "empty":
        return b"", "empty"
    lines = content.split(b"\n")
    rng.shuffle(lines)
    return b"\n".join(lines), "lines in another order"
