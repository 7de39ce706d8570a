"""Stage 3: apply a trained aligner to any store that has the features it was trained on."""

from tokser.config import AlignSettings
from tokser.device import resolve_device
from tokser.encoders.upper_blocks import UpperBlocks
from tokser.extraction.stored_blocks import stored_blocks
from tokser.pretrain.align import align_store
from tokser.pretrain.checkpoint import WEIGHTS, load_aligner
from tokser.provenance import sha256_of_file
from tokser.store import open_store

__all__ = ["align"]


def align(settings: AlignSettings) -> str:
    """Write the feature `<run>/aligned` into a store, in shards, with resume.

    Returns:
        The feature's name.

    Raises:
        MissingInputError: The checkpoint is no finished run.
        SettingsError: The store lacks a feature that the aligner was trained on.
        StoreMismatchError: A feature was made by another model than at training.
        StoreIncompleteError: A feature is incomplete.
    """

    def blocks_above(layer: str) -> UpperBlocks:
        store = open_store(settings.store, check=settings.check)
        return stored_blocks(store, layer, encoder=settings.encoder)

    aligner, description = load_aligner(settings.checkpoint, blocks_above)
    store = open_store(settings.store, check=settings.check)
    return align_store(
        store,
        aligner.to(resolve_device(settings.device)),
        description,
        weights_sha256=sha256_of_file(settings.checkpoint / WEIGHTS),
        batch_size=settings.batch_size,
    )
