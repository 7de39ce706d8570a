"""The store against its peers: reads, writes, opening, memory.

1,000 utterances of LibriSpeech's lengths, 512 wide, float16, medians of five turns, warm cache.
`make bench-store` runs it with every peer installed and writes `docs/benchmarks.md`.
"""

import shutil
import statistics
import sys
from collections import deque
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
import store_peers
import store_probe
from ratios import (
    machine,
    markdown_table,
    measured_on_disk,
    medians,
    missed,
    replace_section,
    versions,
)
from store_data import (
    FEATURE,
    Corpus,
    commit_all,
    librispeech_like,
    plan_store,
    save_arrays,
    short_utterances,
    write_store,
)

from tokser.store import open_store, verify_store

UTTERANCES, TURNS = 1_000, 5
MANY_UTTERANCES, MANY_SHARD_BYTES = 300_000, 2**20
LARGE_UTTERANCES, LARGE_ROWS = 6_600, 60_000
DISK_GB = 14
PACKAGES = ("zarr", "zarrs", "tensorstore", "h5py", "datasets", "webdataset", "lhotse", "torch")
TARGETS = {
    "read_vs_memmap": (0.9, np.inf),
    "read_vs_zarr": (10, np.inf),
    "read_vs_best_peer": (1, np.inf),
    "write_vs_npsave": (0.7, np.inf),
    "open_300k_s": (0, 1),
    "open_300k_mb": (0, 300),
    "memory_growth_mb": (-np.inf, 50),
}

Figures = dict[str, float]


def measure(folder: Path) -> tuple[Figures, str]:
    """Measure everything; returns the figures by name, and the page's section."""
    corpus = librispeech_like(UTTERANCES)
    store = folder / "store.zarr"
    write_store(store, corpus)
    parts = [
        _reads(folder, store, corpus),
        _writes(folder, store, corpus),
        _verification(store, corpus),
        _opening(folder / "many.zarr"),
        _memory(folder / "large.zarr"),
    ]
    figures = {key: value for found, _ in parts for key, value in found.items()}
    return figures, "\n\n".join([_preamble(corpus), *(text for _, text in parts)])


def _reads(folder: Path, store: Path, corpus: Corpus) -> tuple[Figures, str]:
    readers = {
        "tokser, copied": store_peers.tokser_copy(store, corpus),
        "tokser, read-only view": store_peers.tokser_view(store, corpus),
        "np.memmap, copied": store_peers.memory_map(folder, corpus),
    }
    peers, absent = {}, {}
    for name, peer in (store_peers.OF_THE_STORE | store_peers.OF_A_FOLDER).items():
        try:
            place = store if name in store_peers.OF_THE_STORE else folder
            peers[name] = peer(place, corpus)
        except ImportError as error:
            absent[name] = f"not installed ({error.name})"
    readers |= peers
    for name, read in readers.items():
        np.testing.assert_array_equal(next(iter(read([0]))), corpus.rows(0), err_msg=name)
    order = np.random.default_rng(1).permutation(UTTERANCES).tolist()
    seconds = medians(
        {name: partial(_take, read, order) for name, read in readers.items()}, rounds=TURNS
    )
    ours = seconds["tokser, copied"]
    figures = {
        "read_vs_memmap": seconds["np.memmap, copied"] / ours,
        "read_vs_zarr": seconds["zarr-python"] / ours,
        "read_vs_best_peer": min(seconds[name] for name in peers) / ours,
        "read_gb_per_s": corpus.num_bytes / ours / 1e9,
        **{f"read_vs_{_slug(name)}": seconds[name] / ours for name in peers},
    }

    def _copied(name: str) -> str:
        return "nothing copied" if "view" in name else _speed(corpus, seconds[name])

    rows = [
        [name, f"{1e6 * value / UTTERANCES:.1f}", _copied(name), f"{value / ours:.2f}"]
        for name, value in seconds.items()
    ]
    rows += [[name, reason, "", ""] for name, reason in absent.items()]
    header = ["Random utterances", "µs each", "GB/s", "time, tokser = 1"]
    return figures, markdown_table(header, rows)


def _writes(folder: Path, store: Path, corpus: Corpus) -> tuple[Figures, str]:
    layout = open_store(store)[FEATURE].layout
    shards = [layout.shard_utterances(shard) for shard in range(layout.num_shards)]
    planned, saved = folder / "planned.zarr", folder / "saved"
    group = [plan_store(planned, corpus)]

    def clear() -> None:
        shutil.rmtree(saved, ignore_errors=True)
        if not group[0].pending():
            shutil.rmtree(planned)
            group[0] = plan_store(planned, corpus)

    seconds = medians(
        {
            "tokser, checksums and journal included": lambda: commit_all(group[0], corpus),
            "np.save, the same bytes, files and fsync": lambda: save_arrays(saved, corpus, shards),
        },
        rounds=TURNS,
        turn_s=1.5,
        between=clear,
    )
    ours, plain = seconds.values()
    rows = [[name, f"{value:.2f}", _speed(corpus, value)] for name, value in seconds.items()]
    header = [f"Writing {len(shards)} shards", "s", "GB/s"]
    return {"write_vs_npsave": plain / ours}, markdown_table(header, rows)


def _verification(store: Path, corpus: Corpus) -> tuple[Figures, str]:
    seconds = medians({"`tokser store verify`": lambda: _verify(store)}, rounds=TURNS)
    rows = [[n, f"{1e3 * s:.0f}", _speed(corpus, s)] for n, s in seconds.items()]
    (verify,) = seconds.values()
    figures = {"verify_gb_per_s": corpus.num_bytes / verify / 1e9}
    return figures, markdown_table([f"All {UTTERANCES:,} utterances", "ms", "GB/s"], rows)


def _opening(store: Path) -> tuple[Figures, str]:
    corpus = short_utterances(MANY_UTTERANCES)
    write_store(store, corpus, shard_bytes=MANY_SHARD_BYTES, transcripts=True)
    num_shards = open_store(store)[FEATURE].layout.num_shards
    asked = corpus.names[MANY_UTTERANCES // 2]
    turns = [store_probe.run("open", str(store), asked) for _ in range(TURNS)]
    found = {key: statistics.median(turn[key] for turn in turns) for key in turns[0]}
    figures = {
        "open_300k_s": found["open_s"],
        "open_300k_mb": max(turn["open_mb"] for turn in turns),
        "import_s": found["import_s"],
        "import_mb": found["import_mb"],
        "open_300k_shards": num_shards,
    }
    rows = [
        ["`import tokser.store`", f"{figures['import_s']:.2f}", f"{figures['import_mb']:.0f}"],
        [
            "`open_store` to the first utterance",
            f"{figures['open_300k_s']:.2f}",
            f"{figures['open_300k_mb']:.0f}",
        ],
    ]
    header = [f"{MANY_UTTERANCES:,} utterances, {num_shards} shards", "s", "MB, process so far"]
    return figures, markdown_table(header, rows)


def _memory(store: Path) -> tuple[Figures, str]:
    write_store(store, librispeech_like(LARGE_UTTERANCES, most_rows=LARGE_ROWS))
    found = store_probe.run("read", str(store))
    figures = {
        "memory_store_gb": found["read_gb"],
        "memory_anonymous_mb": found["anonymous_peak_mb"],
        "memory_growth_mb": found["anonymous_growth_mb"],
    }
    rows = [
        ["peak of anonymous memory", f"{figures['memory_anonymous_mb']:.0f}"],
        ["its growth after the first tenth", f"{figures['memory_growth_mb']:.1f}"],
    ]
    limit = f"{store_probe.ANONYMOUS_LIMIT // 2**20:,} MiB"
    header = [f"Reading {found['read_gb']:.1f} GB in a process limited to {limit}", "MB"]
    return figures, markdown_table(header, rows)


def _verify(store: Path) -> None:
    verification = verify_store(open_store(store))
    if not verification.is_whole:
        raise RuntimeError(str(verification.damages))


def _take(read: store_peers.Read, order: list[int]) -> None:
    _exhaust(read(order))


def _exhaust(values: Iterable[object]) -> None:
    """Take one value after the other, and keep none."""
    deque(values, maxlen=0)


def _speed(corpus: Corpus, seconds: float) -> str:
    return f"{corpus.num_bytes / seconds / 1e9:.2f}"


def _slug(name: str) -> str:
    return "_".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def _preamble(corpus: Corpus) -> str:
    return (
        f"{UTTERANCES:,} utterances of LibriSpeech's lengths ({corpus.lengths.mean() / 50:.1f} s "
        f"on average), 512 wide, float16, not compressed, {corpus.num_bytes / 1e9:.2f} GB; "
        f"medians of {TURNS} turns in changing order; warm cache. Every way of reading ends "
        "with a numpy array of its own, but for the read-only view.\n\n"
        f"Measured on {machine()}; {versions(('tokser', 'numpy', *PACKAGES))}."
    )


def run() -> tuple[Figures, str]:
    """Measure on the disk that holds this checkout."""
    return measured_on_disk("store", measure, DISK_GB)


def test_the_store_against_its_peers():
    figures, _ = run()
    assert missed(figures, TARGETS) == []


if __name__ == "__main__":
    found, section = run()
    replace_section(Path(sys.argv[1]), "The store", section)
    sys.exit("\n".join(missed(found, TARGETS)) or None)
