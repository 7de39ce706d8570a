"""A reader of a store in a process of its own: `store_probe.py open|read|cold STORE [...]`.

Prints what it took as JSON. Nothing but the standard library is imported before the clock starts.
"""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

MB = 1e6
ANONYMOUS_LIMIT = 2**30


def run(*arguments: str) -> dict[str, float]:
    """Run this file in a fresh process."""
    command = [sys.executable, __file__, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(result.stdout)


def first_utterance(store: str, utterance: str) -> dict[str, float]:
    """Open a store and read one utterance."""
    start = time.perf_counter()
    from tokser.store import open_store

    imported, import_mb = time.perf_counter(), _peak_mb()
    opened = open_store(store)
    opened[opened.features[0]][utterance].sum()
    read = time.perf_counter()
    return {
        "import_s": imported - start,
        "import_mb": import_mb,
        "open_s": read - imported,
        "open_mb": _peak_mb(),
    }


def every_utterance(store: str) -> dict[str, float]:
    """Read a store through, with a limit on memory that is not a file's."""
    resource.setrlimit(resource.RLIMIT_DATA, (ANONYMOUS_LIMIT, ANONYMOUS_LIMIT))
    import numpy as np

    from tokser.store import open_store

    opened = open_store(store)
    layer = opened[opened.features[0]]
    num_bytes, anonymous_mb = 0, []
    for place, utterance in enumerate(layer.ids):
        num_bytes += np.array(layer[utterance]).nbytes
        if place % 50 == 0:
            anonymous_mb.append(_anonymous_mb())
    early = anonymous_mb[: len(anonymous_mb) // 10]
    return {
        "read_gb": num_bytes / 1e9,
        "anonymous_peak_mb": max(anonymous_mb),
        "anonymous_growth_mb": max(anonymous_mb) - max(early),
        "resident_peak_mb": _peak_mb(),
    }


def random_batches_from_disk(store: str, way: str, number: str) -> dict[str, float]:
    """Read random batches of 64 after what is in memory of the store was dropped.

    Args:
        store: Its folder.
        way: `ahead`, `plain` (nothing is requested ahead), or `limit` (the bytes in order).
        number: How many batches.
    """
    import numpy as np

    from tokser.store import Buffers, open_store, stored_layer

    shards = [path for path in sorted(Path(store).rglob("c/*/0")) if path.stat().st_size > MB]
    for path in shards:
        _drop(path)
    stored_layer.READS_AHEAD = way == "ahead"
    opened, buffers = open_store(store), Buffers()
    layer = opened[opened.features[0]]
    chosen = np.random.default_rng(2).permutation(layer.ids)[: 64 * int(number)]
    num_bytes = int(layer.lengths.loc[chosen].sum()) * layer.dim * layer.dtype.itemsize
    before, start = _from_disk_gb(), time.perf_counter()
    if way == "limit":
        _read_in_order(shards, num_bytes)
    else:
        for part in np.split(chosen, int(number)):
            layer.ragged(part.tolist(), buffers.take)
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "gb": num_bytes / 1e9,
        "disk_gb": _from_disk_gb() - before,
    }


def _read_in_order(paths: list[Path], num_bytes: int) -> None:
    piece = bytearray(8 * 2**20)
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while num_bytes > 0 and (count := file.readinto(piece)):
                num_bytes -= count


def _drop(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def _from_disk_gb() -> float:
    lines = Path("/proc/self/io").read_text().splitlines()
    (found,) = (line.split()[1] for line in lines if line.startswith("read_bytes:"))
    return int(found) / 1e9


def _peak_mb() -> float:
    return _status_mb("VmHWM")  # ru_maxrss would be the parent's, where that was larger


def _anonymous_mb() -> float:
    return _status_mb("RssAnon")


def _status_mb(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith(f"{field}:"))
    return int(kilobytes) * 1024 / MB


if __name__ == "__main__":
    tasks = {
        "open": first_utterance,
        "read": every_utterance,
        "cold": random_batches_from_disk,
    }
    task = tasks[sys.argv[1]]
    print(json.dumps(task(*sys.argv[2:])))
