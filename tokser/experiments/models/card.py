"""The model card: `README.md` of a model folder, as Hugging Face shows it."""

from tokser.experiments.models.model import Model

__all__ = ["CARD", "model_card"]

CARD = "README.md"


def model_card(model: Model, name: str) -> str:
    """Return the card of a model.

    Args:
        model: The model.
        name: Of its folder.
    """
    return f"# {name}\n\n{model.task} of {model.dataset} by {model.features}\n"
