"""With --json a command prints one JSON object on standard output, and nothing else there."""

import json

import pytest
from click.testing import CliRunner

from tokser.cli import main
from tokser.config import PoolSettings
from tokser.stages.pool import pool


@pytest.fixture
def store(stores) -> str:
    table = stores.manifest(60)
    plan = stores.plan(table, features={"layer-1": 5, "layer-2": 4})
    for number, name in enumerate(("valence", "arousal", "dominance")):
        table[name] = [1 + (i * (number + 3)) % 7 / 2 for i in range(60)]
    opened = stores.complete(table, plan, name="iemocap.zarr", dataset="iemocap")
    pool(PoolSettings(store=opened.path))
    return str(opened.path)


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [*map(str, arguments), "--json"])
    assert result.exit_code == code, result.output
    content = json.loads(result.stdout)
    assert isinstance(content, dict)
    return content


def test_store_info(store):
    assert [one["complete_percent"] for one in run("store", "info", store)["features"]] == [
        100,
        100,
    ]


def test_store_verify(store):
    content = run("store", "verify", store)
    assert content["is_whole"]
    assert content["checked"]["damages"] == []
    assert content["recomputed"] == []


def test_store_verify_of_a_damaged_store_exits_with_1(stores):
    store = stores.complete()
    file = stores.folder / "toy.zarr/whisper-tiny/layer-2/rows/c/0/0"
    data = bytearray(file.read_bytes())
    data[5] ^= 1
    file.write_bytes(data)
    content = run("store", "verify", store.path, code=1)
    assert not content["is_whole"]
    assert content["checked"]["damages"][0]["utterances"] == ["utt000"]


def test_store_repair(store):
    assert run("store", "repair", store)["damages"] == []


def test_compare(store):
    (first, _) = run("compare", store, store)["features"]
    assert first["relative_l2"] == 0


def test_audit(store):
    assert run("audit", "--store", store, "--protocol", "speaker")["speaker"]["stamp"] == ""


@pytest.mark.slow
def test_classify(store, tmp_path):
    content = run(
        *("classify", "--dataset", "iemocap", "--store", store, "--out", tmp_path / "out"),
        *("--classifier", "logreg", "--protocol", "speaker"),
    )
    assert content["out"] == str(tmp_path / "out")
    assert all(0 <= row["uar"] <= 1 for row in content["results"])


def test_regress(store, tmp_path):
    content = run(
        *("regress", "--dataset", "iemocap", "--store", store, "--out", tmp_path / "out"),
        *("--features", "whisper-tiny/layer-1", "--target", "valence", "--protocol", "speaker"),
    )
    assert [row["target"] for row in content["results"]] == ["valence"]


def test_fit(store, tmp_path):
    content = run(
        *("fit", "--dataset", "iemocap", "--store", store, "--out", tmp_path / "model"),
        *("--features", "whisper-tiny/layer-1", "--target", "valence", "--protocol", "speaker"),
    )
    assert content["out"] == str(tmp_path / "model")
    assert content["members"][0].keys() == {"penalty"}
    assert content["score"]["metric"] == "ccc"


def test_doctor(tmp_path):
    content = run("doctor", "--workspace", tmp_path)
    assert content["is_healthy"]
    assert {"what", "state", "detail", "remedy"} == content["findings"][0].keys()


def test_manifest(real_data):
    content = run("manifest", "emodb", "--root", real_data / "data" / "emodb")
    assert content["counts"][-1]["num_utterances"] == sum(
        row["num_utterances"] for row in content["counts"][:-1]
    )
