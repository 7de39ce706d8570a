"""A trained model as a file that other programs run."""

from tokser.config import ExportModelSettings
from tokser.experiments.models import load_model
from tokser.prediction.export_onnx import Exported, export_encoder, export_head

__all__ = ["export_model"]


def export_model(settings: ExportModelSettings) -> list[Exported]:
    """Write a model's head, and its encoder where that is wanted, each checked before.

    Returns:
        The files; that of the encoder lies beside the head's: `model.encoder.onnx`.

    Raises:
        InputError: The model or its encoder has no exact form, or another file is there.
        DamagedFileError: The model's folder is damaged.
        RunError: The exported form computes something else; it was not written.
    """
    model = load_model(settings.model)
    found = [export_head(model, settings.out)]
    if settings.with_encoder:
        beside = settings.out.with_name(f"{settings.out.stem}.encoder.onnx")
        found.append(export_encoder(model, beside, settings.encoders))
    return found
