"""A reader needs no memory of its own for what it has read, however large the store."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tokser.store import FeatureSpec, GroupPlan, StoreWriter

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and sets RLIMIT_DATA")

UTTERANCES, ROWS, DIM = 300, 500, 512
STORE_MB = UTTERANCES * ROWS * DIM * 2 / 1e6
ROOM_MB = 40
READ_THROUGH = """
import json, resource, sys
from tokser.store import open_store

def status_mb(field):
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field + ":"))) * 1024 / 1e6

layer = open_store(sys.argv[1])["whisper-tiny/layer-2"]
ids = layer.ids
parts = [ids[first : first + 10] for first in range(0, len(ids), 10)]
layer[ids[0]].sum(), layer.batch(parts[0]), layer.ragged(parts[0])
before, room = status_mb("RssAnon"), int((status_mb("VmData") + float(sys.argv[2])) * 1e6)
resource.setrlimit(resource.RLIMIT_DATA, (room, room))
num_bytes, most = 0, before
for part in parts:
    num_bytes += sum(layer[name].copy().nbytes for name in part)
    assert layer.batch(part).rows.shape[0] == layer.ragged(part).lengths.size
    most = max(most, status_mb("RssAnon"))
print(json.dumps({"read_mb": num_bytes / 1e6, "growth_mb": most - before}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_a_store_larger_than_the_memory_there_is_reads_through(tmp_path, suffix):
    path = tmp_path / f"large{suffix}"
    _write(path)
    result = subprocess.run(
        [sys.executable, "-c", READ_THROUGH, str(path), str(ROOM_MB)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["read_mb"] == STORE_MB > 3 * ROOM_MB
    assert found["growth_mb"] < ROOM_MB


def _write(path):
    names = [f"utt{i:03d}" for i in range(UTTERANCES)]
    text = pd.DataFrame({"id": names, "num_samples": 320 * ROWS}).to_csv(index=False)
    plan = GroupPlan(
        name="whisper-tiny",
        kind="speech",
        features={"layer-2": FeatureSpec(dim=DIM, dtype="float16")},
        lengths=np.full(UTTERANCES, ROWS),
        provenance={},
    )
    rows = np.ones((ROWS, DIM), dtype=np.float16)
    with StoreWriter(path, dataset="emodb", manifest_text=text, manifest_digest="0") as writer:
        group = writer.plan_group(plan)
        for shard in group.pending():
            first, after = group.layout.shard_utterances(shard)
            group.commit(shard, {"layer-2": [rows] * (after - first)}, {})
