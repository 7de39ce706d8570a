"""Apply the tuned blocks of a fold to any store that has the layer that they start from."""

from tokser.config import ApplySettings
from tokser.device import resolve_device
from tokser.experiments.heads.tuned.apply import write_tuned_layers
from tokser.experiments.heads.tuned.checkpoint import WEIGHTS, load_tuned
from tokser.provenance import sha256_of_file
from tokser.stages.tune import blocks_of
from tokser.store import open_store

__all__ = ["apply"]


def apply(settings: ApplySettings) -> list[str]:
    """Write the tuned layers of every utterance into a store, in shards, with resume.

    Returns:
        The features' names.

    Raises:
        MissingInputError: The checkpoint holds no tuned blocks, or the encoder is not found.
        SettingsError: The store lacks the layer that the blocks start from.
        StoreMismatchError: That layer was made by another encoder than in tuning.
    """
    weights, description = load_tuned(settings.checkpoint)
    store = open_store(settings.store, check=settings.check)
    return write_tuned_layers(
        store,
        blocks_of(store, description.source, settings.encoder),
        weights,
        description,
        name=settings.name or settings.checkpoint.resolve().name,
        checkpoint_sha256=sha256_of_file(settings.checkpoint / WEIGHTS),
        batch_size=settings.batch_size,
        device=resolve_device(settings.device),
    )
