"""What to do where memory does not suffice for tuning."""

from contextlib import AbstractContextManager

from tokser.experiments.heads.memory import names_what_needs_less

__all__ = ["names_what_saves_memory"]


def names_what_saves_memory() -> AbstractContextManager[None]:
    """Return what turns a failed allocation into a `RunError` that names options of tuning."""
    return names_what_needs_less(
        "tokser tune",
        expected="memory for a batch and the activations of its blocks",
        remedy="Lower --batch-size, add --gradient-checkpointing, start from a higher layer "
        "(--from), or train less with --lora.",
    )
