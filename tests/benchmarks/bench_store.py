"""Reading random utterances from a store, against a plain np.memmap copy and plain zarr.

200 utterances of LibriSpeech's lengths, 512 wide, fp16, warm cache.
"""

import numpy as np
import pandas as pd
import zarr
from ratios import medians, report

from tokser.store import FeatureSpec, GroupPlan, StoreWriter, open_store

UTTERANCES, DIM = 200, 512


def test_random_utterances_against_a_memory_map(tmp_path):
    rng = np.random.default_rng(0)
    lengths = rng.integers(100, 800, UTTERANCES)
    blocks = [rng.normal(size=(length, DIM)).astype(np.float16) for length in lengths]
    names = [f"utt{i:04d}" for i in range(UTTERANCES)]
    text = pd.DataFrame({"id": names, "num_samples": lengths * 320}).to_csv(index=False)
    plan = GroupPlan(
        name="whisper",
        kind="speech",
        features={"layer-6": FeatureSpec(dim=DIM, dtype="float16")},
        lengths=lengths,
        provenance={},
    )
    path = tmp_path / "bench.zarr"
    with StoreWriter(path, dataset="emodb", manifest_text=text, manifest_digest="0") as writer:
        group = writer.plan_group(plan)
        for shard in group.pending():
            first, after = group.layout.shard_utterances(shard)
            group.commit(shard, {"layer-6": blocks[first:after]}, {})
    flat = np.concatenate(blocks)
    flat.tofile(tmp_path / "flat.bin")
    mapped = np.memmap(tmp_path / "flat.bin", np.float16, "r", shape=flat.shape)
    starts = np.cumsum(lengths) - lengths
    layer, array = (
        open_store(path)["whisper/layer-6"],
        zarr.open_group(path)["whisper/layer-6/rows"],
    )
    order, stored = rng.permutation(UTTERANCES), layer.layout.row_starts
    seconds = medians(
        {
            "tokser": lambda: [layer[names[i]] for i in order],
            "plain zarr": lambda: [array[stored[i] : stored[i] + lengths[i]] for i in order],
            "np.memmap": lambda: [mapped[starts[i] : starts[i] + lengths[i]].copy() for i in order],
        }
    )
    ratios = {
        "read_vs_memmap": seconds["np.memmap"] / seconds["tokser"],
        "read_vs_zarr": seconds["plain zarr"] / seconds["tokser"],
    }
    report("store", seconds, ratios)
