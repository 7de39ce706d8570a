"""Grids of feedforward classifiers, trained many at once."""
