"""`tokser.transfer`, its page and its command, on two small corpora; docs/transfer.md."""

import inspect
import json
from typing import get_type_hints

import pytest
from click.testing import CliRunner

import tokser
from tokser.api.options import TransferOptions
from tokser.cli import main
from tokser.config import TransferSettings
from tokser.config.option import described
from tokser.errors import SettingsError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pair(store_factory, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    found = []
    for name in ("berlin", "warsaw"):
        factory = store_factory(folder)
        table = factory.manifest(36)
        table["speaker"] = [f"s{(i // 3) % 4}" for i in range(len(table))]
        plan = factory.plan(table, features={"layer-1": 3, "layer-2": 4})
        found.append(factory.complete(table, plan, name=f"{name}.zarr", dataset=name))
        tokser.pool(found[-1])
    return found


@pytest.fixture(scope="module")
def results(pair):
    return tokser.transfer(pair, heads="logreg", standardise_by="corpus")


def test_the_results_have_the_matrix_and_the_labels(pair, results):
    assert results.folder.parent.name == "berlin-warsaw-results"
    matrix = results.transfer
    assert set(matrix["protocol"]) == {
        "berlin-to-warsaw",
        "warsaw-to-berlin",
        "within-berlin",
        "within-warsaw",
    }
    assert results.labels["left_out"].eq("").all()
    again = tokser.transfer([p.path for p in pair], head="logreg", standardise_by="corpus")
    assert again.folder == results.folder
    assert "from corpus to corpus" in results._repr_html_()


def test_the_page_has_matrix_picture_and_labels(results, tmp_path):
    page = results.report(tmp_path / "page.html").read_text()
    assert "From corpus to corpus" in page
    assert "berlin-to-warsaw" in page
    assert "Labels, and what is left out" in page
    assert "tokser transfer --store" in page
    results.report(tmp_path / "files", formats=("md", "svg"))
    names = {path.name for path in (tmp_path / "files").iterdir()}
    expected = ("transfer-1.md", "transfer-1.svg", "labels-1.md")
    assert {f"berlin-warsaw-{name}" for name in expected} <= names
    table = (tmp_path / "files" / "berlin-warsaw-transfer-1.md").read_text()
    assert "| berlin |" in table


def test_the_command_names_the_dataset_itself(pair, tmp_path):
    words = [word for store in pair for word in ("--store", store.path)]
    out = ["--head", "logreg", "--workspace", str(tmp_path), "--features", "*/layer-1"]
    done = CliRunner().invoke(main, ["transfer", *words, *out])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "results" / "berlin-warsaw" / "transfer.csv").is_file()
    again = CliRunner().invoke(main, ["transfer", *words, *out, "--json"])
    assert len(json.loads(again.stdout)["results"]) == 4
    one = CliRunner().invoke(main, ["transfer", *words[:2], *out])
    assert one.exit_code == 2
    assert "expected stores of at least two corpora" in one.output


def test_one_store_is_refused(pair):
    with pytest.raises(SettingsError, match="stores of at least two corpora"):
        tokser.transfer(pair[:1])
    with pytest.raises(SettingsError, match="stores of at least two corpora"):
        tokser.transfer(pair[0].path)


def test_keywords_are_the_settings_of_the_command():
    function = inspect.signature(tokser.transfer).parameters
    explicit = set(function) - {"options", "stores", "labels"} | {"store", "label_map"}
    known = {one.field.rpartition(".")[2] for one in described(TransferSettings)}
    known |= {"frame_heads"}
    assert explicit | set(get_type_hints(TransferOptions)) == known


def test_several_stores_are_one_dataset_for_classify(pair, tmp_path):
    results = tokser.classify(pair, heads="logreg", protocols="speaker", features="*/layer-1")
    assert set(results.corpora["corpus"]) == {"berlin", "warsaw"}
    page = results.report(tmp_path / "page.html").read_text()
    assert "Scores by corpus" in page
