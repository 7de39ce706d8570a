"""Write and read a small store with what the core of tokser brings, and ask for what it lacks."""

import hashlib
import sys
from importlib.util import find_spec

import numpy as np

import tokser
from tokser.errors import MissingPackageError
from tokser.store import FeatureSpec, GroupPlan, StoreWriter

MANIFEST = """\
id,path,num_samples,sampling_rate_hz,speaker,sex,session,language,transcript,label,split
a,a.wav,16000,16000,s1,f,,de,eins,anger,
b,b.wav,32000,16000,s2,m,,de,zwei,neutral,
"""
ROWS = [np.arange(5 * 4, dtype=np.float16).reshape(5, 4), np.ones((10, 4), np.float16)]


def main(path: str) -> None:
    """Write a store at a path, read it, and see that nothing more is installed than is said."""
    digest = hashlib.sha256(MANIFEST.encode()).hexdigest()
    plan = GroupPlan(
        name="encoder",
        kind="speech",
        features={"layer-0": FeatureSpec(dim=4, dtype="float16")},
        lengths=np.array([5, 10]),
        provenance={"model": "encoder"},
    )
    with StoreWriter(
        path, dataset="emodb", manifest_text=MANIFEST, manifest_digest=digest
    ) as writer:
        writer.plan_group(plan).commit(0, {"layer-0": ROWS}, {})
    store = tokser.open_store(path)
    layer = store["encoder/layer-0"]
    if not (layer["a"] == ROWS[0]).all():
        sys.exit(f"{path}: expected the rows that were written, got {layer['a']}.")
    tokser.pool(store)
    pooled = tokser.open_store(path)["encoder/layer-0"].functionals()
    if pooled.loc["b"].tolist() != [1.0] * 4 + [0.0] * 4:
        sys.exit(f"{path}: expected mean 1 and deviation 0, got {pooled.loc['b'].tolist()}.")
    if find_spec("torch") is not None:
        sys.exit("torch: expected a core without it, got it installed.")
    try:
        tokser.classify(store)
    except MissingPackageError as error:
        sys.stdout.write(f"{error}\n")
    else:
        sys.exit("tokser.classify: expected a word about the extra that it needs, got none.")


if __name__ == "__main__":
    main(sys.argv[1])
