"""Everything that a GPU computes, measured on one within eight minutes.

Each part runs in a process of its own, with a budget of time: what it has measured when it is over
is kept. `make bench-gpu` writes `build/bench/gpu.json` and a section of `docs/benchmarks.md`;
without a GPU it says so and changes nothing that was measured. `--rehearse` runs all parts on the
processor with tiny models, to test this script, and writes nothing.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from gpu_parts import PARTS, measure_part
from ratios import BUILD, machine, markdown_table, replace_section, versions, write_figures

SECTION = "On a GPU"
BUDGET_S = 460
REHEARSAL_PATIENCE = 5.0
NOT_MEASURED = "Not measured: `make bench-gpu` measures it where there is a GPU, in eight minutes."


def run_part(name: str, size: str, seconds: float, folder: Path) -> tuple[list[Any], str]:
    """Measure a part in another process.

    Returns:
        Its rows, and why some may be missing; empty if none is.
    """
    command = [sys.executable, __file__, "--part", name, "--size", size, "--folder", str(folder)]
    log = folder / "rows"
    with log.open("w") as rows, (folder / "errors").open("w") as errors:
        try:
            done = subprocess.run(command, stdout=rows, stderr=errors, timeout=seconds, check=False)
            why = "" if done.returncode == 0 else _last_line(folder / "errors")
        except subprocess.TimeoutExpired:
            why = f"stopped after {seconds:.0f} s"
    found = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return found, why


def _last_line(errors: Path) -> str:
    lines = errors.read_text().strip().splitlines()
    return f"failed: {lines[-1] if lines else 'no message'}"


def measure(size: str, patience: float = 1.0) -> tuple[dict[str, float], str, list[str]]:
    """Measure all parts, `patience` times as long as planned at most.

    Returns:
        Figures, the page's section, and what is missing.
    """
    begin, figures = time.monotonic(), {}
    texts, missing = [_preamble()], []
    for name, part in PARTS.items():
        left = patience * BUDGET_S - (time.monotonic() - begin)
        if left < 20:
            missing.append(f"{name}: not begun, the time is over")
            continue
        with tempfile.TemporaryDirectory(dir=BUILD) as folder:
            rows, why = run_part(name, size, min(patience * part.budget_s, left), Path(folder))
        for row in rows:
            figures |= row["figures"]
        if why:
            missing.append(f"{name}: {why}")
        if rows:
            texts.append(markdown_table(part.header, [row["cells"] for row in rows]))
        print(f"{name}: {len(rows)} rows, {time.monotonic() - begin:.0f} s so far", flush=True)
    if missing:
        texts.append("Not measured, or not whole: " + "; ".join(missing) + ".")
    return figures, "\n\n".join(texts), missing


def _preamble() -> str:
    names = [torch.cuda.get_device_name()] if torch.cuda.is_available() else ["no GPU"]
    return (
        "Random weights and recordings of noise, in the sizes of real ones. *Arithmetic alone* is "
        "the time of the encoder's products at the speed of one large product of the same "
        "type.\n\n"
        f"Measured on {', '.join(names)} beside {machine()}; "
        f"{versions(('tokser', 'torch', 'transformers', 'lightning'))}."
    )


def main(arguments: Sequence[str]) -> int:
    """Measure, or measure one part for another process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("page", nargs="?", type=Path)
    parser.add_argument("--rehearse", action="store_true")
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--size", default="whole")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args(arguments)
    if given.part:
        for row in measure_part(given.part, given.size, given.folder):
            print(json.dumps(row._asdict()), flush=True)
        return 0
    if not given.rehearse and not torch.cuda.is_available():
        print("There is no GPU here: nothing was measured.")
        if given.page and f"\n## {SECTION}\n" not in given.page.read_text(encoding="utf-8"):
            replace_section(given.page, SECTION, NOT_MEASURED)
        return 0
    BUILD.mkdir(parents=True, exist_ok=True)
    figures, text, missing = measure(
        *("rehearsal", REHEARSAL_PATIENCE) if given.rehearse else ("whole",)
    )
    print(text)
    if given.rehearse:
        return 1 if missing else 0
    write_figures("gpu", figures)
    if given.page:
        replace_section(given.page, SECTION, text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
