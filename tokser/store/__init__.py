"""Ragged activations of one corpus: sharded, checksummed, self-describing.

A store holds one fixed, ordered table of utterances and any number of features. `open_store`
reads one; `StoreWriter` plans, resumes and commits.
"""

from tokser.store.address import is_remote, store_name
from tokser.store.claims import Claim, Claims
from tokser.store.drop_features import Dropped, drop_from_store
from tokser.store.feature_name import FeatureName
from tokser.store.gather import PaddedBatch, RaggedBatch
from tokser.store.group_writer import GroupWriter
from tokser.store.invalidate import invalidate
from tokser.store.journal import Recording
from tokser.store.layer import Layer
from tokser.store.reader import Store, open_store
from tokser.store.remove_utterances import Removed, remove_from_store
from tokser.store.schema import Compression, FeatureSpec, GroupPlan
from tokser.store.update import Update, update_store
from tokser.store.verify import Damage, Verification, num_bytes_to_verify, verify_store
from tokser.store.writer import StoreWriter, pack_plan

__all__ = [
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
