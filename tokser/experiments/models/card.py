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


def score_line(model: Model) -> str:
    """Return the honest score in one line."""
    estimate = model.estimate
    if estimate is None:
        return "no score: the model of one fold"
    return f"{estimate.metric} {estimate.score:.3f}"
