"""Trained models: members, how their features are computed, and the folder that keeps them."""

from tokser.experiments.models.folder import load_model, save_model
from tokser.experiments.models.member import Member
from tokser.experiments.models.model import Estimate, Model
from tokser.experiments.models.recipe import FeatureRecipe, GroupRecipe

__all__ = [
    "Estimate",
    "FeatureRecipe",
    "GroupRecipe",
    "Member",
    "Model",
    "load_model",
    "save_model",
]
