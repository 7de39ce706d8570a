import pandas as pd

from tokser.experiments.results import SHARED
from tokser.experiments.splits.atlas import leak_atlas
from tokser.experiments.splits.protocols import Split


def table():
    rows = [
        {"id": f"u{i}", "speaker": f"s{i // 2}", "session": "", "transcript": f"text {i % 3}"}
        for i in range(8)
    ]
    return pd.DataFrame(rows).set_index("id")


def rows_of(splits, **recordings):
    found = leak_atlas({"mine": splits}, table(), recordings or None)
    return {(r["kind"], r["first"], r["second"]): r for r in SHARED.frame(found).to_dict("records")}


def test_every_pair_of_parts_is_compared_by_every_kind():
    split = Split("a", ("u0", "u1", "u2"), ("u3", "u4"), ("u5", "u6", "u7"))
    found = rows_of([split], u0="x", u7="x")
    shared = found["speakers", "train", "dev"]
    assert (shared["num_shared"], shared["examples"]) == (1, "s1")
    assert shared["num_utterances"] == 1
    assert found["speakers", "train", "test"]["num_shared"] == 0
    assert found["speakers", "dev", "test"]["examples"] == "s2"
    assert found["recordings", "train", "test"]["examples"] == "u0 = u7"
    assert found["recordings", "train", "test"]["num_unknown"] == 4
    assert found["sentences", "train", "test"]["num_shared"] == 3
    assert ("sessions", "train", "test") not in found


def test_the_fold_that_shares_most_is_named():
    clean = Split("clean", ("u0", "u1"), ("u2", "u3"), ("u4", "u5"))
    leaky = Split("leaky", ("u0", "u2"), ("u6",), ("u1", "u3"))
    found = rows_of([clean, leaky])["speakers", "train", "test"]
    assert (found["num_folds"], found["num_folds_sharing"]) == (2, 1)
    assert (found["fold"], found["num_shared"], found["num_utterances"]) == ("leaky", 2, 2)


def test_train_may_be_everything_that_is_in_no_other_part():
    split = Split("a", ("u0", "u2", "u3", "u4", "u5", "u6"), ("u7",), ("u1",))
    found = rows_of([split])
    assert found["speakers", "train", "test"]["examples"] == "s0"
    assert found["speakers", "train", "dev"]["examples"] == "s3"
