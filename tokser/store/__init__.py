"""Ragged activations of one corpus: sharded, checksummed, self-describing.

A store holds one fixed, ordered table of utterances and any number of features. `open_store`
reads one; `StoreWriter` plans, resumes and commits. A name is imported when it is asked for:
reading a store loads neither pandas nor the libraries of its format before it needs them.
"""

from typing import TYPE_CHECKING

from tokser.lazy_names import lazy_names

if TYPE_CHECKING:
    from tokser.store.address import is_remote, store_name
    from tokser.store.buffers import Buffers
    from tokser.store.claims import Claim, Claims
    from tokser.store.drop_features import Dropped, drop_from_store
    from tokser.store.feature_name import FeatureName
    from tokser.store.gather import PaddedBatch, RaggedBatch
    from tokser.store.group_writer import GroupWriter
    from tokser.store.invalidate_shards import invalidate
    from tokser.store.journal import Recording
    from tokser.store.layer import Layer
    from tokser.store.reader import Store, open_store
    from tokser.store.remove_utterances import Removed, remove_from_store
    from tokser.store.schema import Compression, FeatureSpec, GroupPlan
    from tokser.store.update import Update, update_store
    from tokser.store.verify import Damage, Verification, num_bytes_to_verify, verify_store
    from tokser.store.writer import StoreWriter, pack_plan

__all__ = [
    "Buffers",
    "Claim",
    "Claims",
    "Compression",
    "Damage",
    "Dropped",
    "FeatureName",
    "FeatureSpec",
    "GroupPlan",
    "GroupWriter",
    "Layer",
    "PaddedBatch",
    "RaggedBatch",
    "Recording",
    "Removed",
    "Store",
    "StoreWriter",
    "Update",
    "Verification",
    "drop_from_store",
    "invalidate",
    "is_remote",
    "num_bytes_to_verify",
    "open_store",
    "pack_plan",
    "remove_from_store",
    "store_name",
    "update_store",
    "verify_store",
]

_HOMES = {
    "Buffers": "buffers",
    "Claim": "claims",
    "Claims": "claims",
    "Compression": "schema",
    "Damage": "verify",
    "Dropped": "drop_features",
    "FeatureName": "feature_name",
    "FeatureSpec": "schema",
    "GroupPlan": "schema",
    "GroupWriter": "group_writer",
    "Layer": "layer",
    "PaddedBatch": "gather",
    "RaggedBatch": "gather",
    "Recording": "journal",
    "Removed": "remove_utterances",
    "Store": "reader",
    "StoreWriter": "writer",
    "Update": "update",
    "Verification": "verify",
    "drop_from_store": "drop_features",
    "invalidate": "invalidate_shards",
    "is_remote": "address",
    "num_bytes_to_verify": "verify",
    "open_store": "reader",
    "pack_plan": "writer",
    "remove_from_store": "remove_utterances",
    "store_name": "address",
    "update_store": "update",
    "verify_store": "verify",
}
"""Where a name is defined."""

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
