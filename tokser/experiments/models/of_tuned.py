"""The tuned blocks of a fold and their head as a model: what `tokser tune --save-models` keeps.

Such a model is a head over the layers of its blocks, so it predicts as one that was fitted on
layers that `tokser apply` wrote; but they stay in float32, as they were in training.
"""

from pathlib import Path

from tokser.config.frame_heads import FrameHeadSettings
from tokser.durable import sha256_of_file
from tokser.experiments.feature_expressions import Early, Term, as_means
from tokser.experiments.heads.frames.model import FrameModel, TermShape
from tokser.experiments.heads.frames.trained import TrainedFrameHead
from tokser.experiments.heads.registry import TRAINED_HEADS
from tokser.experiments.heads.trained_head import FittedHead
from tokser.experiments.heads.tuned.apply import tuned_provenance
from tokser.experiments.heads.tuned.blocks import EncoderBlocks
from tokser.experiments.heads.tuned.checkpoint import WEIGHTS, TunedDescription, load_tuned
from tokser.experiments.heads.tuned.training import TunedWeights
from tokser.experiments.models.member import Member
from tokser.experiments.models.model import Model
from tokser.experiments.models.recipe import FeatureRecipe, FeatureUse, GroupRecipe
from tokser.functionals.standardise import Standardiser
from tokser.store import FeatureName, Store

__all__ = ["model_of_fold"]


def model_of_fold(store: Store, blocks: EncoderBlocks, folder: Path, target: str) -> Model:
    """Return the model of a fold, which keeps a copy of the fold's folder.

    Args:
        store: That the blocks were tuned on.
        blocks: Untouched.
        folder: Of the fold; its name becomes that of the blocks' group.
        target: What is predicted.

    Raises:
        DamagedFileError: A file of the folder is damaged.
    """
    weights, description = load_tuned(folder)
    group = FeatureName.parse(f"{folder.name}/layer-0").group
    read = [
        blocks.source if layer == blocks.first else f"{group}/{blocks.names[layer]}"
        for layer in description.layers
    ]
    name = read[0] if len(read) == 1 else f"mix({', '.join(read)})"
    early = Early((Term(name, mixed=tuple(read) if len(read) > 1 else ()),))
    member = _member(weights, description, early, store[blocks.source].dim)
    recipe = _recipe(store, blocks, member, group, folder, description)
    return Model(
        task="classification",
        target=target,
        dataset=description.dataset,
        features=str(early),
        classes=description.classes,
        members=(member,),
        how="single",
        weights=(),
        recipe=recipe,
        provenance={
            "fold": description.fold,
            "protocol": folder.name.removeprefix(f"{description.head}-"),
            "classifier": f"tuned-{description.head}",
            "features": blocks.source,
            "params": description.params,
            "checkpoint_sha256": recipe.group(group).weights_sha256,
            "num_tuned_on": len(description.tuned_on),
        },
    )


def _member(weights: TunedWeights, description: TunedDescription, early: Early, dim: int) -> Member:
    trained: type[TrainedFrameHead] = TRAINED_HEADS[description.head]  # type: ignore[assignment]
    num_layers = len(description.layers)
    options = FrameHeadSettings.model_validate(description.options)
    shape = TermShape(num_layers, dim)
    function = FrameModel(trained.pooling, (shape,), len(description.classes), options)
    head = trained(function, weights.head)
    scaling = weights.scaling
    fitted = FittedHead(head, Standardiser(scaling.mean.reshape(-1), scaling.scale.reshape(-1)))
    features, widths = early, [num_layers * dim]
    if not head.reads_frames:
        features, widths = as_means(early), [dim] * num_layers
    return Member(
        features, tuple(widths), fitted, f"tuned-{description.head}", dict(description.params)
    )


def _recipe(
    store: Store,
    blocks: EncoderBlocks,
    member: Member,
    group: str,
    folder: Path,
    description: TunedDescription,
) -> FeatureRecipe:
    """Return how layers are computed: by the encoder, then by the blocks."""
    source = store[blocks.source]
    of_encoder = [term for term in member.terms if term.feature == blocks.source]
    languages = sorted(set(store.utterances["language"]) - {""})
    encoder = FeatureRecipe.of_store(
        store, of_encoder or [Term(blocks.source, ())], languages=languages
    )
    digest = sha256_of_file(folder / WEIGHTS)
    layers = {
        FeatureName.parse(term.feature).feature: FeatureUse(source.dim, "float32", term.functionals)
        for term in member.terms
        if term.feature != blocks.source
    }
    provenance = tuned_provenance(source, description, group, digest)
    own = GroupRecipe(group, encoder.groups[0].kind, "", provenance, layers)
    return FeatureRecipe((*encoder.groups, own), encoder.languages, tuned={group: folder})
