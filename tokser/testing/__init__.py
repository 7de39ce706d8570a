"""Synthetic corpora, tiny encoders and demo material: for tests, here and elsewhere."""
