"""The page that describes the format is enough to read a store."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tokser.store import FeatureSpec, GroupPlan, open_store

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "store-format.md"


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    assert "import tokser" not in code
    assert "from tokser" not in code
    assert len([line for line in code.splitlines() if line.strip()]) <= 60
    path = tmp_path_factory.mktemp("stranger") / "read_store.py"
    path.write_text(code)
    return path


def read(reader, store, feature, tmp_path):
    out = tmp_path / "out.npz"
    subprocess.run([sys.executable, reader, store, feature, out], check=True, cwd=tmp_path)
    with np.load(out) as values:
        return dict(values)


@pytest.fixture
def store(stores):
    table = stores.manifest(12)
    speech = stores.plan(table, features={"layer-1": 4, "layer-2": 8}, shard_bytes=1_500)
    ids = [np.array([2, 9, 9, 3][: 1 + i % 4], dtype=np.int32) for i in range(12)]
    text = GroupPlan(
        name="bert",
        kind="text",
        features={
            "token_ids": FeatureSpec(dim=None, dtype="int32", compression=stores.compression)
        },
        lengths=np.array([0 if i == 5 else len(row) for i, row in enumerate(ids)]),
        provenance={},
    )
    with stores.writer(table) as writer:
        stores.fill(writer.plan_group(speech), speech)
        group = writer.plan_group(text)
        rows = [None if i == 5 else row for i, row in enumerate(ids)]
        group.commit(0, {"token_ids": rows}, {"utt005": "empty transcript"})
        values = np.arange(12, dtype=np.float16).reshape(3, 4)
        keys = np.array([2, 3, 9], dtype=np.int32)
        group.put_lookup("word", ids="token_ids", keys=keys, table=values)
    return open_store(stores.path)


@pytest.mark.parametrize("feature", ["whisper-tiny/layer-1", "whisper-tiny/layer-2", "bert/word"])
def test_a_stranger_reads_every_value(store, reader, feature, tmp_path):
    found = read(reader, store.path, feature, tmp_path)
    layer = store[feature]
    assert list(found) == layer.ids
    for utterance in layer.ids:
        assert found[utterance].dtype == layer.dtype
        np.testing.assert_array_equal(found[utterance], layer[utterance])


def test_the_page_names_every_field():
    from dataclasses import fields

    from tokser.store.journal import JournalEntry
    from tokser.store.schema import GroupAttributes, LookupSpec, RootAttributes

    page = PAGE.read_text()
    names = {field.name for field in fields(JournalEntry)}
    for model in (RootAttributes, GroupAttributes, FeatureSpec, LookupSpec):
        names |= set(model.model_fields)
    assert not {name for name in names if f"`{name}`" not in page}
