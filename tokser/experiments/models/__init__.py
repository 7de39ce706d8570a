"""Trained models: members, how their features are computed, and the folder that keeps them.

A module is imported when one of its names is asked for: experiments need recipes alone.
"""

from typing import TYPE_CHECKING

from tokser.lazy_names import lazy_names

if TYPE_CHECKING:
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

_HOMES = {
    "Estimate": "model",
    "FeatureRecipe": "recipe",
    "GroupRecipe": "recipe",
    "Member": "member",
    "Model": "model",
    "load_model": "folder",
    "save_model": "folder",
}
"""Where a name is defined."""

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
