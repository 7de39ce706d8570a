"""How a model's features were made, as the store tells it."""

import pytest

from tokser.config import PoolSettings
from tokser.experiments.feature_expressions import Term
from tokser.experiments.models.recipe import FeatureRecipe, FeatureUse
from tokser.functionals.group_plan import functionals_plan
from tokser.stages.pool import pool
from tokser.store import open_store


@pytest.fixture
def store(stores):
    table = stores.manifest(6)
    lengths = table["num_samples"].to_numpy() % 5 + 1
    hear = stores.plan(table, name="hear", features={"layer-1": 3, "layer-2": 3}, precision="fp32")
    bert = stores.plan(
        table,
        name="bert",
        kind="text",
        features={"contextual": 4},
        dtype="float32",
        lengths=lengths,
        tokenizer_digest="abc",
    )
    opened = stores.complete(table, hear, bert)
    pool(PoolSettings(store=opened.path, functionals=("max",)))
    return open_store(opened.path)


def test_encoders_layers_types_and_functionals_are_kept(store):
    terms = [
        Term("bert/contextual", ("mean",)),
        Term("hear/layer-2"),
        Term("hear/layer-1", ("max",)),
        Term("hear/layer-2", ("max", "std")),
    ]
    recipe = FeatureRecipe.of_store(store, terms, languages=("de",))
    hear, bert = recipe.groups
    assert (hear.name, hear.kind, hear.provenance["precision"]) == ("hear", "speech", "fp32")
    assert hear.features == {
        "layer-2": FeatureUse(3, "float16", ("mean", "std", "max")),
        "layer-1": FeatureUse(3, "float16", ("max",)),
    }
    assert (bert.kind, bert.features["contextual"].dtype) == ("text", "float32")
    assert recipe.needs_audio
    assert recipe.needs_transcripts
    assert not recipe.aligners
    recipe.require_made_alike(store)
    assert recipe.group("hear") is hear
    with pytest.raises(KeyError):
        recipe.group("nobody")


def test_functionals_without_rows_have_the_provenance_of_their_encoder(stores):
    table = stores.manifest(6)
    lengths = table["num_samples"].to_numpy() * 0 + 1
    made_by = {"model": "hear", "weights_sha256": "abc", "context": "pad"}
    plan = functionals_plan("hear", {"layer-1": 3}, lengths, made_by)
    store = stores.complete(table, plan)
    recipe = FeatureRecipe.of_store(store, [Term("hear/layer-1")])
    (hear,) = recipe.groups
    assert (hear.kind, hear.provenance, hear.weights_sha256) == ("speech", made_by, "abc")
    assert hear.features == {"layer-1": FeatureUse(3, "", ("mean", "std"))}
    recipe.require_made_alike(store)
