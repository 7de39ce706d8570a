"""Memory of an extraction in a process of its own: `ROOT STORE ENCODER SHARD_MB`."""

import json
import subprocess
import sys
import threading
from pathlib import Path

MB = 1e6


def run(*arguments: object) -> dict[str, float]:
    """Run this file in a fresh process."""
    command = [sys.executable, __file__, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(result.stdout)


def measure(root: str, store: str, encoder: str, shard_mb: str) -> dict[str, float]:
    """Extract all layers, and watch the memory that is not a file's."""
    from tokser.cli.process import own_process
    from tokser.config import ExtractSettings
    from tokser.stages.extract import extract

    settings = ExtractSettings(
        dataset="emodb",
        root=Path(root),
        store=store,
        encoders=(encoder,),
        layers="all",
        shard_mb=int(shard_mb),
        precision="bf16",
        context="fit",
        device="cpu",
    )
    peak, is_over = [0.0], threading.Event()

    def watch() -> None:
        while not is_over.wait(0.01):
            peak[0] = max(peak[0], _anonymous_mb())

    watcher = threading.Thread(target=watch, daemon=True)  # an error ends it, too
    watcher.start()
    with own_process():  # as the command runs: oneDNN keeps few kernels there
        done = extract(settings)
    is_over.set()
    watcher.join()
    return {"utterances": done.num_encoded, "peak_mb": peak[0]}


def _anonymous_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("RssAnon:"))
    return int(kilobytes) * 1024 / MB


if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:])))
