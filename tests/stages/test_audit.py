"""Audits of splits; published ones as docs/own-protocol.md shows them."""

import json

import pandas as pd
import pytest
from click.testing import CliRunner

from tokser.cli import main
from tokser.config import AuditSettings, ClassifySettings, PoolSettings, ReportSettings
from tokser.errors import InputError, SettingsError
from tokser.experiments.results import SHARED
from tokser.stages.audit import audit
from tokser.stages.classify import classify
from tokser.stages.pool import pool
from tokser.stages.report import report
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


PARTS = {"Train": range(20), "Development": range(20, 30), "Test1": range(30, 40)}


@pytest.fixture
def partitions(tmp_path):
    """Parts of the forty utterances in the form of MSP-Podcast."""
    path = tmp_path / "Partitions.txt"
    path.write_text("".join(f"{p}; utt{i:03d}.wav\n" for p, span in PARTS.items() for i in span))
    return path


def test_published_splits_have_a_leak_atlas(store, partitions, tmp_path):
    settings = AuditSettings(
        store=store.path,
        splits_file=partitions,
        splits_format="msp-podcast",
        out=tmp_path / "out" / "shared.csv",
    )
    found = audit(settings)
    assert list(found) == ["msp-podcast-test1"]
    assert found["msp-podcast-test1"].stamp == "LEAKS SPEAKERS"
    table = SHARED.read(settings.out)
    assert set(table["kind"]) == {"speakers", "sentences", "recordings"}
    speakers = table[table["kind"].eq("speakers")]
    assert speakers["num_shared"].tolist() == [4, 4, 4]
    recordings = table[table["kind"].eq("recordings") & table["second"].eq("test")]
    assert recordings["num_shared"].tolist() == [0, 0]


def test_the_command_shows_what_every_two_parts_share(store, partitions):
    words = ["audit", "--store", store.path, "--splits", str(partitions)]
    shown = CliRunner().invoke(main, [*words, "--splits-format", "msp-podcast"])
    assert shown.exit_code == 0, shown.output
    assert "what parts share" in shown.output
    wrong = CliRunner().invoke(main, words)
    assert wrong.exit_code == 2
    assert "no JSON in UTF-8" in wrong.output
    folder = CliRunner().invoke(main, [*words[:-1], str(partitions.parent)])
    assert "say with --splits-format whose splits these are" in folder.output
    bare = CliRunner().invoke(main, [*words[:3], "--splits-format", "meld"])
    assert "expected --splits beside it" in bare.output


def test_classify_trains_on_published_splits(store, partitions, tmp_path, capsys):
    pool(PoolSettings(store=store.path))
    settings = ClassifySettings(
        dataset="emodb",
        store=store.path,
        splits_file=partitions,
        splits_format="msp-podcast",
        heads=("logreg",),
        out=tmp_path / "out",
    )
    out = classify(settings)
    predictions = pd.read_parquet(out / "predictions.parquet")
    assert sorted(predictions["id"]) == [f"utt{i:03d}" for i in PARTS["Test1"]]
    assert set(predictions["protocol"]) == {"msp-podcast-test1"}
    assert len(SHARED.read(out / SHARED.file)) == 9
    page = report(ReportSettings(results=(out,), out=tmp_path / "page.html"))[0].read_text()
    assert "what parts share" in page
    capsys.readouterr()
    # The same file elsewhere is the same splits; another partition is not.
    partitions.write_text(partitions.read_text().replace("Test1; utt039", "Train; utt039"))
    with pytest.raises(SettingsError, match="splits"):
        classify(settings)
