"""Models that read aligned features keep the aligner, and how its inputs are made."""

import shutil
import warnings

import pytest
import torch

from tokser.config import FitSettings, PoolSettings
from tokser.durable import sha256_of_file
from tokser.errors import CheckpointError, DamagedFileError, MissingInputError
from tokser.experiments.models.folder import load_model
from tokser.pretrain.checkpoint import AlignerDescription, load_aligner, save_aligner
from tokser.pretrain.variants import build_aligner
from tokser.stages.fit import fit
from tokser.stages.pool import pool
from tokser.store import drop_from_store, open_store

pytestmark = pytest.mark.slow

ROLES = {
    "speech": "hear/layer-1,hear/layer-2",
    "teacher": "bert/contextual",
    "queries": "bert/word",
}


def make_run(folder, seed: int = 0) -> str:
    """Write an aligner's checkpoint; return its digest."""
    torch.manual_seed(seed)
    aligner = build_aligner("paper", 4, 5, 2, {})
    description = AlignerDescription(
        "runs-name", "paper", 4, 5, True, ROLES, {role: {} for role in ROLES}, 1, {"mrr": 0.5}
    )
    save_aligner(folder, aligner.state_dict(), description)
    return sha256_of_file(folder / "aligner.safetensors")


@pytest.fixture
def run(tmp_path):
    make_run(tmp_path / "trained" / "listener")
    return tmp_path / "trained" / "listener"


@pytest.fixture
def settings(stores, run, tmp_path):
    """Settings that fit a model of `listener/aligned` and a layer."""
    table = stores.manifest(48)
    lengths = table["num_samples"].to_numpy() % 7 + 2
    opened = stores.complete(
        table,
        stores.plan(table, name="hear", features={"layer-1": 5, "layer-2": 5}),
        stores.plan(
            table,
            name="bert",
            kind="text",
            features={"contextual": 4, "word": 4},
            lengths=lengths,
            tokenizer_digest="abc",
        ),
        aligned_plan(stores, table, lengths, run),
    )
    pool(PoolSettings(store=opened.path))

    def make(**changes) -> FitSettings:
        values = {
            "dataset": "emodb",
            "store": opened.path,
            "features": "listener/aligned + hear/layer-2",
            "head": "logreg",
            "out": tmp_path / "model",
            "ledger": tmp_path / "ledger.jsonl",
            "runs": (run,),
        }
        return FitSettings(**(values | changes))

    return make


def aligned_plan(stores, table, lengths, run):
    plan = stores.plan(
        table, name="listener", kind="aligned", features={"aligned": 4}, lengths=lengths
    )
    made_by = {
        "model": "listener",
        "variant": "paper",
        "weights_sha256": sha256_of_file(run / "aligner.safetensors"),
        "features": ROLES,
        "trained_on": {role: {"model": role} for role in ROLES},
    }
    return plan.model_copy(update={"provenance": made_by})


def test_the_aligner_and_its_inputs_are_kept(settings, run):
    model = load_model(fit(settings()))
    assert [group.name for group in model.recipe.groups] == ["hear", "bert", "listener"]
    hear, bert, listener = model.recipe.groups
    assert {name: use.functionals for name, use in hear.features.items()} == {
        "layer-2": ("mean", "std"),
        "layer-1": (),
    }
    assert {name: use.functionals for name, use in bert.features.items()} == {
        "contextual": (),
        "word": (),
    }
    assert listener.provenance["features"] == ROLES
    assert model.recipe.needs_audio
    assert model.recipe.needs_transcripts
    place = model.recipe.aligners["listener"]
    assert place == settings().out / "aligners" / "listener"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        aligner, description = load_aligner(place)
    expected, _ = load_aligner(run)
    for name, weight in aligner.state_dict().items():
        assert torch.equal(weight, expected.state_dict()[name])
    assert description.features == ROLES


def test_inputs_that_the_store_lacks_are_known_from_the_aligner(settings):
    store = settings().store
    drop_from_store(store, "bert")
    model = load_model(fit(settings()))
    bert = model.recipe.group("bert")
    assert (bert.kind, bert.provenance) == ("text", {"model": "queries"})
    assert set(bert.features) == {"contextual", "word"}


def test_a_model_lives_without_the_run(settings, run, tmp_path):
    out = fit(settings())
    shutil.rmtree(run)
    shutil.copytree(out, tmp_path / "copied")
    model = load_model(tmp_path / "copied")
    load_aligner(model.recipe.aligners["listener"])
    assert len(model.predict_store(open_store(settings().store))) == 48


def test_a_damaged_aligner_of_a_model_is_named(settings):
    out = fit(settings())
    for name in ("aligner.safetensors", "aligner.json"):
        file = out / "aligners" / "listener" / name
        content = file.read_bytes()
        file.write_bytes(content[:-1] + b"x")
        with pytest.raises(DamagedFileError, match=name):
            load_model(out)
        file.write_bytes(content)


def test_the_run_may_lie_in_a_folder_of_runs(settings, run):
    model = load_model(fit(settings(runs=(run.parent,))))
    assert "listener" in model.recipe.aligners


def test_a_run_that_is_not_found_has_a_remedy(settings):
    with pytest.raises(MissingInputError, match=r"listener/aligned: .*Name the folder with --run"):
        fit(settings(runs=()))
    assert not settings().out.exists()


def test_a_run_whose_description_is_damaged_is_refused(settings, run):
    (run / "aligner.json").write_text("{}")
    with pytest.raises(DamagedFileError, match=r"aligner\.json"):
        fit(settings())


def test_a_run_of_other_weights_is_refused(settings, run):
    made = sha256_of_file(run / "aligner.safetensors")
    other = make_run(run, seed=1)
    with pytest.raises(CheckpointError, match=f"sha256 {made}, got sha256 {other}"):
        fit(settings())
