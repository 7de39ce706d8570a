"""Scores, their intervals and tests."""
