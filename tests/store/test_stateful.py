"""Whatever happens to a store, in any order: it holds what was committed, and nothing else."""

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.conftest import StoreFactory
from tokser.errors import StoreIncompleteError
from tokser.store import (
    drop_from_store,
    open_store,
    remove_from_store,
    update_store,
    verify_store,
)
from tokser.store.convert import convert_store
from tokser.store.objects import LocalObjects

FULL = os.environ.get("TOKSER_FAULTS") == "full"


class PowerCut(BaseException):
    """The process dies here."""


class Stores(StoreFactory):
    """Rows that the utterance decides, wherever it lies."""

    def rows(self, plan, feature: str, position: int) -> np.ndarray:
        key = [*feature.encode(), int(self.table.index[position].removeprefix("utt"))]
        shape = (int(plan.lengths[position]), plan.features[feature].dim)
        return np.random.default_rng(key).normal(size=shape).astype(plan.features[feature].dtype)

    def fill(self, group, plan, *, only_shards=None) -> None:
        for shard, features in group.pending().items():
            if only_shards is None or shard in only_shards:
                here = group.layout.utterances(shard).tolist()
                group.commit(
                    shard, {f: [self.rows(plan, f, i) for i in here] for f in features}, {}
                )


class StoreMachine(RuleBasedStateMachine):
    """The model: which shards of which feature were committed."""

    suffix = ".zarr"

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.stores = Stores(self.folder, self.suffix)
        self.everybody = self.stores.manifest(18)
        self.table, self.given = self.everybody.iloc[:9], 9
        self.features = {"layer-0": 3}
        self.committed: set[tuple[str, int]] = set()

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @property
    def plan(self):
        self.stores.table = self.table
        return self.stores.plan(self.table, features=self.features, shard_bytes=400)

    @initialize()
    def create(self) -> None:
        with self.stores.writer(self.table) as writer:
            self.num_shards = writer.plan_group(self.plan).layout.num_shards
        assert self.num_shards >= 3

    @rule(data=st.data())
    def write_a_shard(self, data) -> None:
        shard = data.draw(st.integers(0, self.num_shards - 1))
        with self.stores.writer(self.table) as writer:
            group = writer.plan_group(self.plan)
            self.stores.fill(group, self.plan, only_shards={shard})
        # A group without a committed shard is planned anew, which fewer utterances make shorter.
        self.num_shards = group.layout.num_shards
        if shard < self.num_shards:
            self.committed |= {(feature, shard) for feature in self.features}

    @rule(data=st.data(), write=st.integers(0, 5), share=st.floats(0, 1))
    def die_while_writing(self, data, write, share) -> None:
        shard = data.draw(st.integers(0, self.num_shards - 1))
        plain, calls = LocalObjects.put, []

        def put(objects, key, parts):
            calls.append(key)
            if len(calls) > write:
                content = b"".join(bytes(part) for part in parts)
                partial = objects.folder / key
                partial = partial.with_name(f".{partial.name}.0123abcd.partial")
                partial.parent.mkdir(parents=True, exist_ok=True)
                partial.write_bytes(content[: int(share * len(content))])
                raise PowerCut
            plain(objects, key, parts)

        LocalObjects.put = put
        try:
            with self.stores.writer(self.table) as writer:
                self.stores.fill(writer.plan_group(self.plan), self.plan, only_shards={shard})
        except PowerCut:
            pass
        finally:
            LocalObjects.put = plain
        entries = [key for key in calls[:write] if "/journal/" in key and "zarr.json" not in key]
        self.committed |= {(key.partition("/journal/")[0].split("/")[-1], shard) for key in entries}

    @precondition(lambda self: "layer-1" not in self.features)
    @rule()
    def add_a_feature(self) -> None:
        self.features = self.features | {"layer-1": 5}
        with self.stores.writer(self.table) as writer:
            writer.plan_group(self.plan)

    @rule(count=st.integers(1, 3))
    def grow(self, count) -> None:
        """More utterances: a part of their own, whose shards come after the others."""
        if self.given >= 18:
            return
        new = self.everybody.iloc[self.given : self.given + count]
        self.given += count
        self.table = pd.concat([self.table, new])
        self.replan()

    def replan(self) -> None:
        with self.stores.writer(self.table, may_grow=True) as writer:
            layout = writer.plan_group(self.plan).layout
        self.num_shards = layout.num_shards

    @rule(data=st.data())
    def correct_a_label(self, data) -> None:
        self.table = self.table.copy()
        name = data.draw(st.sampled_from(list(self.table.index)))
        self.table.loc[name, "label"] = data.draw(st.sampled_from(["joy", "anger", "fear"]))
        update_store(str(self.stores.path), self.table.to_csv(lineterminator="\n"))

    @precondition(lambda self: len(self.table) > 2)
    @rule(data=st.data())
    def remove_an_utterance(self, data) -> None:
        name = data.draw(st.sampled_from(list(self.table.index)))
        remove_from_store(str(self.stores.path), ids=[name])
        self.table = self.table.drop(index=name)

    @precondition(lambda self: "layer-1" in self.features)
    @rule()
    def drop_a_feature(self) -> None:
        if "whisper-tiny/layer-1" in open_store(self.stores.path):
            drop_from_store(str(self.stores.path), "whisper-tiny/layer-1")
        del self.features["layer-1"]
        self.committed = {one for one in self.committed if one[0] != "layer-1"}

    @rule()
    def copy_what_is_whole(self) -> None:
        whole = [
            f"whisper-tiny/{feature}"
            for feature in self.features
            if all((feature, shard) in self.committed for shard in range(self.num_shards))
        ]
        if whole:
            other = ".h5" if self.suffix == ".zarr" else ".zarr"
            shutil.rmtree(self.folder / f"copy{other}", ignore_errors=True)
            copy = convert_store(
                str(self.stores.path), str(self.folder / f"copy{other}"), features=whole
            )
            for name in whole:
                for utterance in copy[name].ids:
                    wanted = open_store(self.stores.path)[name][utterance]
                    np.testing.assert_array_equal(copy[name][utterance], wanted)

    @invariant()
    def it_is_whole(self) -> None:
        if self.stores.path.exists():
            assert verify_store(open_store(self.stores.path)).is_whole

    @invariant()
    def what_was_committed_is_read_and_nothing_else(self) -> None:
        if not self.stores.path.exists():
            return
        store = open_store(self.stores.path)
        for feature in self.features:
            if f"whisper-tiny/{feature}" not in store:
                continue  # it died before the feature was named
            layer = store[f"whisper-tiny/{feature}"]
            assert store.utterances["label"].tolist() == self.table["label"].tolist()
            for position, utterance in enumerate(self.table.index):
                if (feature, int(layer.layout.shard_of[position])) in self.committed:
                    wanted = self.stores.rows(self.plan, feature, position)
                    np.testing.assert_array_equal(layer[utterance], wanted)
                else:
                    with pytest.raises(StoreIncompleteError):
                        layer[utterance]


class HDF5Machine(StoreMachine):
    """The same in HDF5."""

    suffix = ".h5"


SETTINGS = settings(
    max_examples=200 if FULL else 8,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestZarr, TestHDF5 = StoreMachine.TestCase, HDF5Machine.TestCase
TestZarr.settings = TestHDF5.settings = SETTINGS
