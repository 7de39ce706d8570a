"""Ragged activations of one corpus: sharded, checksummed, self-describing.

A store holds one fixed, ordered table of utterances and any number of features. `open_store`
reads one; `StoreWriter` plans, resumes and commits.
"""

from tokser.store.layer import Layer
from tokser.store.reader import Store, open_store
from tokser.store.schema import FeatureSpec, GroupPlan
from tokser.store.verify import Verification, verify_store
from tokser.store.writer import GroupWriter, StoreWriter

__all__ = [
    "FeatureSpec",
    "GroupPlan",
    "GroupWriter",
    "Layer",
    "Store",
    "StoreWriter",
    "Verification",
    "open_store",
    "verify_store",
]
