"""An encoder and a corpus for tokser."""

from pathlib import Path

__all__ = ["CORPUS"]

CORPUS = Path(__file__).parent / "moods.yaml"
"""What the entry point of the corpus names."""
