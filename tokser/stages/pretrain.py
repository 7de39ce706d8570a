"""Stage 2: train the aligner on cached activations."""

from pathlib import Path

from tokser.config import PretrainSettings
from tokser.encoders.upper_blocks import UpperBlocks
from tokser.extraction.stored_blocks import stored_blocks
from tokser.pretrain.run import run_pretraining
from tokser.store import open_store

__all__ = ["pretrain"]


def pretrain(settings: PretrainSettings) -> Path:
    """Train the aligner, keep the best epoch by the match rate over the dev part.

    A stopped run resumes within its epoch.

    Returns:
        The run's folder: `aligner.safetensors`, `aligner.json`, `metrics.csv` with a row per
        epoch (0: before training), and `provenance.json` last.

    Raises:
        SettingsError: A feature must be named, or `out` holds another run or cannot name one.
        StoreIncompleteError: A feature is incomplete.
        InputError: There is nothing to train on, or no dev part; nothing was written.
        RunError: The loss is not finite.
        KeyboardInterrupt: Stopped, by Ctrl-C or SIGTERM.
    """
    store = open_store(settings.store, check=settings.check)

    def blocks_above(layer: str) -> UpperBlocks:
        is_text = store[layer].kind == "text"
        source = settings.text_encoder if is_text else settings.encoder
        return stored_blocks(store, layer, encoder=source)

    return run_pretraining(store, settings, blocks_above)
