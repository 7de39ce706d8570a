"""Digests of all numbers that the demo computes: did a change of the code change one?

    tokser demo --out demo
    python tests/consistency/golden.py demo           # compare with golden.json; exit 1 if other
    python tests/consistency/golden.py demo --write   # enter this kind of machine's digests

Floating-point sums depend on the processor's instructions and on the libraries, so digests are kept
by kind of machine, and a machine of another kind has nothing to compare with.
"""

import argparse
import hashlib
import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.numpy import load_file

from tokser.store import open_store

GOLDEN = Path(__file__).with_name("golden.json")
PACKAGES = ("numba", "numpy", "scikit-learn", "torch", "transformers")
KEYS = ["features", "protocol", "target", "setup", "classifier", "regressor", "seed", "fold", "id"]
TEXTS = {"label", "prediction", "selected"}


def kind_of_machine() -> str:
    """Name what the last bits of sums depend on."""
    parts = [_processor(), torch.backends.cpu.get_cpu_capability()]
    parts += [f"{torch.get_num_threads()} threads"]
    parts += [f"{package} {version(package)}" for package in PACKAGES]
    return ", ".join(parts)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def digests(demo: Path) -> dict[str, str]:
    """Return a digest for every table of scores, every run's weights and every feature.

    Args:
        demo: Folder that `tokser demo` wrote.
    """
    found = {}
    for folder in sorted((demo / "results").iterdir()):
        for name in ("results.csv", "regression.csv", "grid.csv"):
            if (folder / name).is_file():
                found[f"{folder.name}/{name}"] = _table(pd.read_csv(folder / name))
        predictions = pd.read_parquet(folder / "predictions.parquet")
        found[f"{folder.name}/predictions"] = _table(predictions)
    for run in sorted((demo / "runs").iterdir()):
        tensors = load_file(run / "aligner.safetensors")
        found[f"{run.name}/weights"] = _digest([tensors[key] for key in sorted(tensors)])
    for path in sorted((demo / "stores").iterdir()):
        if path.suffix == ".zarr":
            store = open_store(path)
            for name in store.features:
                layer = store[name]
                found[f"{path.stem}/{name}"] = _digest([layer[i] for i in layer.ids])
    return found


def _table(table: pd.DataFrame) -> str:
    """Digest the numbers of a table and what is predicted, whatever order its rows are in."""
    keys = [key for key in KEYS if key in table]
    table = table.sort_values(keys, kind="stable")
    chosen = [
        name
        for name in sorted(table)
        if name in TEXTS or (name not in keys and pd.api.types.is_numeric_dtype(table[name]))
    ]
    return _digest([np.asarray(table[name].astype(str)).astype("U") for name in chosen])


def _digest(arrays: list[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def main() -> int:
    """Compare or enter the digests of a demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    kept = json.loads(GOLDEN.read_text()) if GOLDEN.is_file() else {}
    kind, found = kind_of_machine(), digests(options.demo)
    if options.write:
        GOLDEN.write_text(json.dumps(kept | {kind: found}, indent=1) + "\n")
        return 0
    if kind not in kept:
        sys.stderr.write(f"no digests of this kind of machine: {kind}\n")
        return 0
    differing = [name for name in kept[kind] | found if kept[kind].get(name) != found.get(name)]
    for name in differing:
        sys.stdout.write(f"differs: {name}\n")
    return int(bool(differing))


if __name__ == "__main__":
    sys.exit(main())
