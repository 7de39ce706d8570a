"""Splits that others published, read from the user's copy of their files."""
