"""Timing two ways of doing the same work side by side, and writing down the ratio."""

import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

BUILD = Path(__file__).resolve().parents[2] / "build" / "bench"


def medians(ways: Mapping[str, Callable[[], object]], *, rounds: int = 5) -> dict[str, float]:
    """Time each way, in turns, and return the median seconds of each."""
    for way in ways.values():
        way()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def report(name: str, seconds: Mapping[str, float], ratios: Mapping[str, float]) -> None:
    """Print a table, and write `build/bench/NAME.json` with the ratios."""
    table = Table("way", "median ms", title=name)
    for way, value in seconds.items():
        table.add_row(way, f"{1e3 * value:.2f}")
    table.add_section()
    for ratio, value in ratios.items():
        table.add_row(ratio, f"{value:.2f}")
    Console().print(table)
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / f"{name}.json").write_text(json.dumps(dict(ratios), indent=1))
