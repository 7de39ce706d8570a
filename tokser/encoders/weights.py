"""Frozen weights of a model folder: all of them, or an error."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from tokser.encoders.checkpoint import Checkpoint, quiet_transformers
from tokser.encoders.model_files import reading
from tokser.errors import CheckpointError, list_some

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["load_weights"]

_HARMLESS = 10**8
"""Weights that may be allocated before loading says which are missing."""

ModelT = TypeVar("ModelT", bound="PreTrainedModel")


def load_weights(
    model_class: type[ModelT],
    checkpoint: Checkpoint,
    *,
    prefix: str = "",
    **options: Any,
) -> ModelT:
    """Build a model from a checkpoint, in fp32, frozen, in evaluation mode.

    Args:
        model_class: Class of the part that is used; the checkpoint may hold more.
        checkpoint: The model folder.
        prefix: Pattern of a prefix of the checkpoint's weight names, for instance
            `model.encoder.`, which is dropped while loading.
        options: Further arguments of the model's constructor, and settings of its configuration.

    Raises:
        CheckpointError: A weight is missing, or has another shape than the config says.
    """
    import torch

    mapping = {rf"^{prefix}": ""} if prefix else None
    _check_size(model_class, checkpoint, options)
    with quiet_transformers(), reading(checkpoint, "weights that can be read"):
        found: Any = model_class.from_pretrained(
            checkpoint.folder,
            key_mapping=mapping,
            output_loading_info=True,
            dtype=torch.float32,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # reported below, with the missing ones
            **options,
        )
    model, loaded = found
    missing = sorted(loaded["missing_keys"])
    mismatched = sorted(str(fault[0]) for fault in loaded["mismatched_keys"])
    if missing or mismatched:
        total = len(model.state_dict())
        raise CheckpointError(
            checkpoint.folder,
            expected=f"all {total} weights of {model_class.__name__}",
            got=f"{len(missing)} missing, {len(mismatched)} with another shape "
            f"({list_some(missing + mismatched)})",
            remedy="The checkpoint is incomplete or belongs to another model: fetch it again.",
        )
    return cast(ModelT, model.requires_grad_(False).eval())


def _check_size(
    model_class: type[ModelT], checkpoint: Checkpoint, options: Mapping[str, Any]
) -> None:
    """Refuse a config of a model that its files cannot hold, before memory is allocated for it."""
    import torch

    expected = "a config.json that fits its weights"
    with quiet_transformers(), reading(checkpoint, expected), torch.device("meta"):
        config_class: Any = model_class.config_class
        config, _ = config_class.from_pretrained(
            checkpoint.folder, return_unused_kwargs=True, **options
        )
        num_weights = sum(weight.numel() for weight in model_class(config).parameters())
    num_bytes = sum(file.stat().st_size for file in checkpoint.weight_files)
    if num_weights > num_bytes + _HARMLESS:
        raise CheckpointError(
            checkpoint.folder,
            expected=expected,
            got=f"a config of {num_weights:,} weights and {num_bytes:,} bytes of weights",
            remedy="The config is damaged or belongs to another model: fetch it again.",
        )
