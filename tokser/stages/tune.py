"""Stage 5, with the encoder: its upper blocks and a head, trained from a stored layer."""

from pathlib import Path

from tokser.config import TuneSettings
from tokser.experiments.classification import Classification
from tokser.experiments.experiment import run_experiment
from tokser.experiments.heads.tuned.blocks import EncoderBlocks
from tokser.experiments.heads.tuned.checkpoint import WEIGHTS
from tokser.experiments.heads.tuned.head import TunedHead
from tokser.experiments.models import save_model
from tokser.experiments.models.of_tuned import model_of_fold
from tokser.extraction.stored_blocks import layer_names, stored_blocks
from tokser.progress import warn
from tokser.provenance import digest_of
from tokser.store import FeatureName, Store, open_store
from tokser.store.rows_digest import rows_digest

__all__ = ["blocks_of", "tune"]


def tune(settings: TuneSettings) -> Path:
    """Tune the blocks above a stored layer with every head, and score them by fold.

    Finished folds are kept, so the same call goes on where it was stopped.

    Returns:
        The output folder: the tables of `classify`, and the blocks of each fold in `folds`.

    Raises:
        TokserError: As `stored_blocks` and `run_experiment` do.
    """
    store = open_store(settings.store, check=settings.check)
    blocks = blocks_of(store, settings.source, settings.encoder)
    layer = store[settings.source]
    inputs = digest_of([layer.identity, rows_digest(store, layer.name)])
    trained = settings.model_copy(update={"save_models": False})
    heads = {
        f"tuned-{name}": TunedHead(name, blocks, trained, inputs, layer.provenance)
        for name in settings.heads
    }
    task = Classification()
    out = run_experiment(
        task, settings.experiment(), heads, command="tune", inputs=blocks.identity()
    )
    if settings.save_models:
        for weights in sorted(out.glob(f"folds/*/{WEIGHTS}")):
            model = model_of_fold(store, blocks, weights.parent, task.targets[0])
            save_model(model, out / "models" / weights.parent.name)
    return out


def blocks_of(store: Store, feature: str, folder: Path | None) -> EncoderBlocks:
    """Load the blocks above a stored layer as experiments take them."""
    module = stored_blocks(store, feature, encoder=None if folder is None else str(folder))
    group = store.group(FeatureName.parse(feature).group)
    precision = group.provenance.get("precision", "float32")
    if precision != "float32":
        warn(
            f"{feature} was computed in {precision}; the blocks above it are trained in fp32, so "
            f"untouched they differ from stored layers by the rounding of {precision}"
        )
    names = layer_names(module, group.kind)
    return EncoderBlocks(module, feature, names, str(group.provenance["weights_sha256"]))
