"""One more encoder for a store that exists, from the recordings that it was extracted from."""

from pathlib import Path

from tokser.corpora.manifest import Manifest
from tokser.errors import MissingInputError
from tokser.extraction.encoder_spec import EncoderSpec
from tokser.extraction.plan import ExtractionPlan
from tokser.extraction.run_plan import run_plans
from tokser.store import Store, StoreWriter

__all__ = ["add_encoder", "manifest_of"]


def add_encoder(store: Store, source: str, *, root: Path | None = None) -> list[str]:
    """Write what a store lacks of an encoder; return the names of its features.

    Shards that are there already are kept, so the same call continues an interrupted one.

    Args:
        store: The store.
        source: Of the encoder, as `--encoder` names it.
        root: Folder of the corpus; None: the one at extraction.

    Raises:
        MissingInputError: The corpus was moved.
        StoreMismatchError: Recordings changed since they were encoded.
    """
    plans = ExtractionPlan.make_all(EncoderSpec(source), manifest_of(store, root))
    with StoreWriter.reopen(store) as writer:
        run_plans(plans, writer, str(store.path))
    return [feature for plan in plans for feature in plan.features]


def manifest_of(store: Store, root: Path | None) -> Manifest:
    """Return the corpus of a store.

    Args:
        store: The store.
        root: Its folder; None: the one at extraction.

    Raises:
        MissingInputError: There is no such folder.
    """
    where = Path(root or store.attributes.root)
    if not where.is_dir():
        raise MissingInputError(
            where, expected="the corpus", got="nothing", remedy="Name its folder with --root."
        )
    return Manifest(store.dataset, where, store.utterances, ())
