"""Emotion classifiers on functionals: splits, grids, scores, and who looked at which test."""
