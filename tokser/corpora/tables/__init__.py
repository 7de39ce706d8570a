"""Corpora of one's own: tables that users and other tools keep, as manifests."""
