"""Scores by group of utterances, such as speakers' sex, and the largest gap between groups."""
