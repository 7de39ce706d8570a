"""Corpora that are declared in YAML: one engine reads all of them."""
