"""Reads of the store beyond one utterance: batches, cold disks, object stores.

`make bench-reads` runs it with the project's own environment and writes `docs/benchmarks.md`.
"""

import sys
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import store_peers
import store_probe
import torch
from ratios import (
    machine,
    markdown_table,
    measured_on_disk,
    medians,
    missed,
    replace_section,
    versions,
)
from store_data import DIM, FEATURE, Corpus, emodb_like, librispeech_like, write_store
from store_server import Server, serving
from torch.nn.utils.rnn import pad_sequence

from tokser.store import Buffers, Store, open_store

UTTERANCES, BATCH, TURNS = 1_000, 64, 5
PACKAGES = ("tokser", "numpy", "zarr", "obstore")
LARGE_UTTERANCES, LARGE_ROWS, DISK_GB = 6_600, 60_000, 10
COLD_TURNS, COLD_BATCHES = 3, 16
DELAY_MS, REMOTE_BATCHES, REMOTE_TURNS = 20, 4, 3
TARGETS = {
    "read_vs_memmap": (0.9, np.inf),
    "short_read_vs_memmap": (0.8, np.inf),
    "batch_vs_copy": (0.8, np.inf),
    "batch_new_vs_copy": (0.8, np.inf),
    "ragged_vs_copy": (0.8, np.inf),
    "cold_vs_plain": (1, np.inf),
    "s3_random_vs_library": (1, np.inf),
    "s3_whole_vs_library": (1, np.inf),
}

Figures = dict[str, float]


def measure(folder: Path) -> tuple[Figures, str]:
    """Measure everything; returns the figures by name, and the page's section."""
    corpus, store = librispeech_like(UTTERANCES), folder / "store.zarr"
    write_store(store, corpus)
    write_store(folder / "large.zarr", librispeech_like(LARGE_UTTERANCES, most_rows=LARGE_ROWS))
    parts = [
        single_reads(folder, store, corpus),
        batches(store, corpus),
        cold_reads(folder / "large.zarr"),
        remote_reads(store, corpus),
    ]
    figures = {key: value for found, _ in parts for key, value in found.items()}
    about = (
        f"{UTTERANCES:,} utterances of LibriSpeech's lengths, 512 wide, float16, not compressed, "
        f"{corpus.num_bytes / 1e9:.2f} GB; medians of {TURNS} turns in changing order, of "
        f"{COLD_TURNS} from a disk, of {REMOTE_TURNS} from a server; warm cache but where it says "
        f"otherwise.\n\nMeasured on {machine()}; {versions(PACKAGES)}."
    )
    return figures, "\n\n".join([about, *(text for _, text in parts)])


def single_reads(folder: Path, store: Path, corpus: Corpus) -> tuple[Figures, str]:
    """Copy one utterance after the other; of short ones, what a read itself costs counts most."""
    short, short_folder = emodb_like(), folder / "short"
    short_folder.mkdir()
    write_store(short_folder / "store.zarr", short)
    figures, rows = {}, []
    for name, place, own, data in (
        ("read_vs_memmap", folder, store, corpus),
        ("short_read_vs_memmap", short_folder, short_folder / "store.zarr", short),
    ):
        order = np.random.default_rng(1).permutation(len(data.names)).tolist()
        readers = (store_peers.tokser_copy(own, data), store_peers.memory_map(place, data))
        ways = {str(number): partial(_exhaust, read, order) for number, read in enumerate(readers)}
        ours, plain = medians(ways, rounds=TURNS).values()
        figures[name] = plain / ours
        cost = [f"{1e6 * seconds / len(order):.1f}" for seconds in (ours, plain)]
        rows.append([f"{data.lengths.mean() / 50:.1f} s long", *cost, f"{plain / ours:.2f}"])
    header = ["Random utterances, copied", "µs each", "np.memmap, µs each", "ratio"]
    return figures, markdown_table(header, rows)


def batches(store: Path, corpus: Corpus) -> tuple[Figures, str]:
    """Gather random batches, beside the copies that no way of gathering can leave out."""
    layer, buffers = open_store(store)[FEATURE], Buffers()
    number = len(corpus.names)
    names = [corpus.names[i] for i in np.random.default_rng(2).permutation(number)]
    chosen = [names[first : first + BATCH] for first in range(0, number, BATCH)]
    lengths = [layer.lengths.loc[part].to_numpy() for part in chosen]

    def copies(allocate: Callable[..., np.ndarray], *, padded: bool) -> None:
        for own in lengths:
            count = int(own.sum())
            total = len(own) * int(own.max()) if padded else count
            rows = allocate((total, DIM), np.dtype(np.float16))
            rows[:count] = corpus.flat[:count]
            rows[count:] = 0

    def loop_and_pad(part: list[str]) -> torch.Tensor:
        rows = [torch.from_numpy(np.array(layer[name])) for name in part]
        return pad_sequence(rows, batch_first=True)

    def each(gather: Callable[..., object], *options: object) -> Callable[[], object]:
        return lambda: deque((gather(part, *options) for part in chosen), maxlen=0)

    seconds = medians(
        {
            "one copy, padding: the limit, new memory": partial(copies, np.empty, padded=True),
            f"`layer.batch`, {BATCH} at a time, new memory": each(layer.batch),
            "one copy, padding: the limit, reused memory": partial(
                copies, Buffers().take, padded=True
            ),
            f"`layer.batch`, {BATCH} at a time, reused memory": each(layer.batch, buffers.take),
            "one copy: the limit, reused memory": partial(copies, Buffers().take, padded=False),
            f"`layer.ragged`, {BATCH} at a time, reused memory": each(layer.ragged, buffers.take),
            f"`layer.ragged`, {BATCH} at a time, new memory": each(layer.ragged),
            "a loop and `pad_sequence`": each(loop_and_pad),
        },
        rounds=TURNS,
    )
    new_limit, new, limit, reused, ragged_limit, ragged, _, loop = seconds.values()
    figures = {
        "batch_vs_loop": loop / new,
        "batch_gb_per_s": corpus.num_bytes / reused / 1e9,
        "batch_new_gb_per_s": corpus.num_bytes / new / 1e9,
        "batch_vs_copy": limit / reused,
        "batch_new_vs_copy": new_limit / new,
        "ragged_vs_copy": ragged_limit / ragged,
    }
    rows = [
        [name, f"{1e3 * s:.0f}", f"{corpus.num_bytes / s / 1e9:.2f}"] for name, s in seconds.items()
    ]
    text = markdown_table([f"All {number:,} utterances", "ms", "GB/s, without padding"], rows)
    return figures, text


def cold_reads(store: Path) -> tuple[Figures, str]:
    """Read random batches of a store that is not in memory, in processes of their own."""
    ways = {
        "requested together": "ahead",
        "by the system's own reading ahead": "plain",
        "as many bytes in order: the limit": "limit",
    }
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for _ in range(COLD_TURNS):
        for name, way in ways.items():
            found[name].append(store_probe.run("cold", str(store), way, str(COLD_BATCHES)))
    seconds, from_disk = (
        {name: float(np.median([turn[key] for turn in turns])) for name, turns in found.items()}
        for key in ("seconds", "disk_gb")
    )
    gigabytes = found["requested together"][0]["gb"]
    ours, plain, limit = seconds.values()
    rows = [
        [name, f"{s:.2f}", f"{gigabytes / s:.2f}", f"{from_disk[name]:.2f}"]
        for name, s in seconds.items()
    ]
    header = [f"Cold disk, {COLD_BATCHES} random batches of {BATCH}", "s", "GB/s", "GB from disk"]
    return {"cold_vs_plain": plain / ours, "cold_vs_limit": limit / ours}, markdown_table(
        header, rows
    )


def remote_reads(store: Path, corpus: Corpus) -> tuple[Figures, str]:
    """Read a store on a server whose answers are late."""
    with serving(store.parent) as server:
        address = f"{server.address}/{store.name}"
        rng = np.random.default_rng(3)
        chosen = [rng.choice(corpus.names, BATCH, replace=False) for _ in range(REMOTE_BATCHES)]
        in_order = np.array_split(corpus.names, -(-len(corpus.names) // BATCH))
        figures, rows = {}, []
        for name, plan in (("random", chosen), ("whole", in_order)):
            plan = [part.tolist() for part in plan]
            label = f"{len(plan)} {'random batches' if name == 'random' else 'batches in order'}"
            ours = _remote(server, address, plan, _ragged)
            library = _remote(server, address, plan, _by_library, turns=1)
            size = sum(int(open_store(store)[FEATURE].lengths.loc[p].sum()) for p in plan)
            bandwidth = _bytes_per_s(server, address, store)
            limit = size * DIM * 2 / bandwidth + len(plan) * DELAY_MS / 1e3
            figures |= {
                f"s3_{name}_requests": ours[1],
                f"s3_{name}_requests_library": library[1],
                f"s3_{name}_s": ours[0],
                f"s3_{name}_vs_library": library[0] / ours[0],
                f"s3_{name}_vs_limit": limit / ours[0],
            }
            rows += [
                [f"{label}, tokser", f"{ours[0]:.2f}", f"{ours[1]:.0f}"],
                [f"{label}, zarr-python, 8 at once", f"{library[0]:.2f}", f"{library[1]:.0f}"],
                [f"{label}: the limit", f"{limit:.2f}", f"{len(plan)}"],
            ]
    header = [f"Web server of this machine, {DELAY_MS} ms later", "s", "requests"]
    note = (
        "The limit is one late answer for each batch, and its bytes at the speed of the same "
        "server without delay, in pieces of 8 MiB. The first batch that touches a shard asks for "
        "its end, too. zarr-python is measured once."
    )
    return figures, f"{markdown_table(header, rows)}\n\n{note}"


def _remote(
    server: Server,
    address: str,
    plan: list[list[str]],
    read: Callable[[Store, list[str]], object],
    turns: int = REMOTE_TURNS,
) -> tuple[float, float]:
    """Return the median seconds for the batches of a plan, and how many requests they took."""
    times, counts = [], []

    def once() -> None:
        for part in plan:
            read(opened, part)

    for _ in range(turns):
        server.requests(0)
        opened = open_store(address)
        opened[FEATURE].lengths  # noqa: B018  the journal is read here
        server.requests(DELAY_MS)
        times.append(_seconds(once))
        counts.append(server.requests(0))
    return float(np.median(times)), float(np.median(counts))


def _ragged(opened: Store, part: list[str]) -> None:
    opened[FEATURE].ragged(part)


def _by_library(opened: Store, part: list[str]) -> None:
    """Read as before requests were joined: sizes compared, rows through zarr-python."""
    layer = opened[FEATURE]
    backend, spec, layout = opened.backend, layer.spec, layer.layout

    def one(name: str) -> None:
        position = opened.position(name)
        start = int(layout.row_starts[position])
        backend.objects.size(backend.shard_key(FEATURE, int(layout.shard_of[position]), spec))
        backend.read_rows(FEATURE, start, start + int(layout.row_lengths[position]), spec, layout)

    with ThreadPoolExecutor(8) as pool:
        deque(pool.map(one, part), maxlen=0)


def _bytes_per_s(server: Server, address: str, store: Path) -> float:
    """Return how fast whole shards come from the server when nothing is late."""
    server.requests(0)
    opened = open_store(address)
    layer = opened[FEATURE]
    backend, spec = opened.backend, layer.spec
    keys = [backend.shard_key(FEATURE, shard, spec) for shard in range(layer.layout.num_shards)]
    sizes = [(store / key).stat().st_size for key in keys]
    pieces = [
        (key, first, min(first + 2**23, size))
        for key, size in zip(keys, sizes, strict=True)
        for first in range(0, size, 2**23)
    ]
    seconds = [_seconds(lambda: backend.objects.get_ranges(pieces)) for _ in range(2)]
    return sum(sizes) / min(seconds)


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _exhaust(read: store_peers.Read, order: list[int]) -> None:
    deque(read(order), maxlen=0)


def run() -> tuple[Figures, str]:
    """Measure on the disk that holds this checkout."""
    return measured_on_disk("store_reads", measure, DISK_GB)


def test_reads_reach_their_limits():
    figures, _ = run()
    assert missed(figures, TARGETS) == []


if __name__ == "__main__":
    found, section = run()
    replace_section(Path(sys.argv[1]), "Batches, cold disks and object stores", section)
    sys.exit("\n".join(missed(found, TARGETS)) or None)
