"""Timing two ways of doing the same work side by side, and writing down the ratio."""

import json
import os
import platform
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

BUILD = Path(__file__).resolve().parents[2] / "build" / "bench"


def medians(
    ways: Mapping[str, Callable[[], object]],
    *,
    rounds: int = 5,
    turn_s: float = 0.2,
    between: Callable[[], object] = lambda: None,
) -> dict[str, float]:
    """Time each way, in turns, and return the median seconds of each.

    Args:
        ways: What to time.
        rounds: Turns of each way; their order changes from round to round, since a way may find
            caches and free memory as the one before has left them.
        turn_s: A way that is faster is repeated for about so long in each of its turns.
        between: Called after every pass, not timed.
    """
    passes = {}
    for name, way in ways.items():
        passes[name] = max(1, round(turn_s / _timed([way], between)))
    order, rng = list(ways), random.Random(0)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        rng.shuffle(order)
        for name in order:
            turn = _timed([ways[name]] * passes[name], between)
            seconds[name].append(turn / passes[name])
    return {name: statistics.median(values) for name, values in seconds.items()}


def _timed(calls: Sequence[Callable[[], object]], between: Callable[[], object]) -> float:
    total = 0.0
    for call in calls:
        start = time.perf_counter()
        call()
        total += time.perf_counter() - start
        between()
    return total


def report(name: str, seconds: Mapping[str, float], ratios: Mapping[str, float]) -> None:
    """Print a table, and write `build/bench/NAME.json` with the ratios."""
    table = Table("way", "median ms", title=name)
    for way, value in seconds.items():
        table.add_row(way, f"{1e3 * value:.2f}")
    table.add_section()
    for ratio, value in ratios.items():
        table.add_row(ratio, f"{value:.2f}")
    Console().print(table)
    write_figures(name, ratios)


def write_figures(name: str, figures: Mapping[str, float]) -> None:
    """Write `build/bench/NAME.json`, one flat object."""
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / f"{name}.json").write_text(json.dumps(dict(figures), indent=1) + "\n")


def measured_on_disk(
    name: str, measure: Callable[[Path], tuple[dict[str, float], str]], disk_gb: float
) -> tuple[dict[str, float], str]:
    """Measure on the disk that holds this checkout; leaves nothing behind but the figures.

    Args:
        name: Of the file of figures.
        measure: Called with an empty folder; returns figures and the section's text.
        disk_gb: Free space that it takes.
    """
    BUILD.mkdir(parents=True, exist_ok=True)
    free_gb = shutil.disk_usage(BUILD).free / 1e9
    if free_gb < disk_gb:
        raise SystemExit(f"{BUILD}: expected {disk_gb} GB of free disk, got {free_gb:.1f}.")
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        figures, text = measure(Path(folder))
    write_figures(name, figures)
    Console().print(Markdown(text))
    return figures, text


def missed(figures: Mapping[str, float], targets: Mapping[str, tuple[float, float]]) -> list[str]:
    """Name the figures that lie outside of their targets, (least, most)."""
    return [
        f"{name} {figures[name]:.3g}, wanted {least} to {most}"
        for name, (least, most) in targets.items()
        if not least <= figures[name] <= most
    ]


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a table whose first column is text and whose others are numbers."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows))


def replace_section(page: Path, heading: str, text: str) -> None:
    """Write a section of a Markdown page again, and leave the others as they are."""
    parts = page.read_text(encoding="utf-8").split("\n## ")
    section = f"{heading}\n\n{text.strip()}\n"
    places = [place for place, part in enumerate(parts) if part.split("\n")[0] == heading]
    if places:
        parts[places[0]] = section
    else:
        parts = [*(part.rstrip("\n") + "\n" for part in parts), section]
    page.write_text("\n## ".join(parts), encoding="utf-8")


def machine() -> str:
    """Say in words what this machine is, and how busy."""
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    cores = len(os.sched_getaffinity(0))
    busy = f"load average {os.getloadavg()[1]:.1f} over the last five minutes"
    return f"{cores} cores ({_processor()}; {busy}), {memory_gb:.0f} GB of memory"


def versions(packages: Sequence[str]) -> str:
    """Name the versions of Python and of packages."""
    found = [f"{package} {metadata.version(package)}" for package in packages if _has(package)]
    return ", ".join([f"Python {platform.python_version()}", *found])


def _has(package: str) -> bool:
    return bool(list(metadata.distributions(name=package)))


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.is_file() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
