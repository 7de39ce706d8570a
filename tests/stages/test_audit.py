import json

import pytest

from tokser.config import AuditSettings
from tokser.errors import InputError
from tokser.stages.audit import audit
from tokser.store import Recording, open_store


@pytest.fixture
def store(stores):
    table = stores.manifest(40)
    plan = stores.plan(table)
    with stores.writer(table) as writer:
        group = writer.plan_group(plan)
        for shard, features in group.pending().items():
            first, after = group.layout.shard_utterances(shard)
            rows = {f: [stores.rows(plan, f, i) for i in range(first, after)] for f in features}
            # utt001 is utt010 once more.
            digests = [f"{10 if i == 1 else i:016x}" for i in range(first, after)]
            group.commit(shard, rows, {}, recordings=[Recording(d, 0) for d in digests])
    return open_store(stores.path)


def test_the_same_recording_under_two_ids_is_found(store):
    found = audit(AuditSettings(store=store.path, protocols=("speaker",)))["speaker"]
    assert found.examples["recordings"] == ("utt001 = utt010",)
    assert found.stamp == "LEAKS RECORDINGS"


def test_splits_of_a_file_are_looked_over(store, tmp_path):
    path = tmp_path / "mine.json"
    ids = store.ids
    fold = {"fold": "x", "train": ids[:20], "dev": ids[20:30], "test": ids[30:]}
    path.write_text(json.dumps({"mine": [fold]}))
    found = audit(AuditSettings(store=store.path, splits_file=path))
    assert list(found) == ["mine"]
    assert found["mine"].stamp == "LEAKS SPEAKERS"
    fold["test"] = [*ids[30:], "utt999"]
    path.write_text(json.dumps({"mine": [fold]}))
    with pytest.raises(InputError, match="unknown ids in test: utt999"):
        audit(AuditSettings(store=store.path, splits_file=path))
