"""One step over a large corpus in a process of its own: `scale_probe.py OUT STEP ARGUMENT...`.

Writes seconds, processor time and the peak of memory as JSON to OUT. STEP `tokser` runs a command.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Figures = dict[str, float]


def run(out: Path, step: str, *arguments: object, quiet: bool = True) -> Figures:
    """Run this file in a fresh process."""
    command = [sys.executable, __file__, str(out), step, *map(str, arguments)]
    cache = os.environ | {"XDG_CACHE_HOME": str(out.parent.absolute() / "cache")}
    result = subprocess.run(command, capture_output=quiet, text=True, check=False, env=cache)
    if result.returncode:
        raise RuntimeError(f"{step}: {result.stdout}{result.stderr}")
    return json.loads(out.read_text())


def tokser(*arguments: str) -> Figures:
    """Run a command of tokser."""
    from tokser.cli import main

    try:
        main(args=list(arguments), prog_name="tokser")
    except SystemExit as end:
        if end.code:
            raise
    return {}


def plan(root: str, manifest: str, encoder: str, store: str) -> Figures:
    """Plan the extraction of a whole corpus, and lay its group down in a new store."""
    from tokser.config import ExtractSettings
    from tokser.extraction.plan import plan_extraction
    from tokser.store import StoreWriter

    given = {"dataset": "large", "root": root, "manifest": manifest, "store": store}
    settings = ExtractSettings.parse(given | {"encoders": [encoder]}, where="scale_probe")
    found, (planned,) = plan_extraction(settings)
    with StoreWriter(
        store,
        dataset=found.dataset,
        manifest_text=found.csv_text(),
        manifest_digest=found.digest,
        root=root,
    ) as writer:
        pending = writer.plan_group(planned.group).pending()
    return {"shards": len(pending)}


def first_utterance(store: str) -> Figures:
    """Open a store and read one utterance."""
    from tokser.store import open_store

    begin = time.perf_counter()
    opened = open_store(store)
    opened[opened.features[0]]["utt0000007"].sum()
    return {"opened_s": time.perf_counter() - begin}


def batches(store: str, count: str) -> Figures:
    """Read utterances in random order, padded batches of 64."""
    import numpy as np

    from tokser.store import open_store

    opened = open_store(store)
    layer = opened[opened.features[0]]
    names = layer.ids
    order = np.random.default_rng(0).permutation(len(names))[: int(count)].tolist()
    begin = time.perf_counter()
    for first in range(0, len(order), 64):
        layer.batch([names[place] for place in order[first : first + 64]])
    seconds = time.perf_counter() - begin
    return {"us_an_utterance": 1e6 * seconds / len(order)}


def peak_mb() -> float:
    """Return the peak of this process's memory; `ru_maxrss` would count its parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(kilobytes) * 1024 / 1e6


STEPS: dict[str, Callable[..., Any]] = {
    "tokser": tokser,
    "plan": plan,
    "open": first_utterance,
    "batches": batches,
}

if __name__ == "__main__":
    start = time.perf_counter()
    figures = STEPS[sys.argv[2]](*sys.argv[3:])
    processor_s = time.process_time()
    figures |= {"s": time.perf_counter() - start, "processor_s": processor_s, "mb": peak_mb()}
    Path(sys.argv[1]).write_text(json.dumps(figures))
