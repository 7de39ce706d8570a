"""Stage 5: predict recordings with a trained model."""

from collections.abc import Callable, Iterable
from pathlib import Path

from tokser.config import PredictSettings
from tokser.experiments.models import load_model
from tokser.prediction.run import Predictions, predict_by_settings

__all__ = ["predict"]


def predict(
    settings: PredictSettings, read_lines: Callable[[], Iterable[str]] = lambda: ()
) -> Predictions:
    """Predict recordings or a store, write the predictions and a picture if they are named.

    Args:
        settings: Model, inputs, output.
        read_lines: Returns the list of paths that the input `-` stands for.

    Raises:
        InputError: Model, encoders and inputs do not fit each other, or `out` cannot be written.
        DamagedFileError: The model's folder is damaged.
        RunError: Another process writes the same output.
    """
    if settings.plot is None:
        return predict_by_settings(load_model(settings.model), settings, read_lines)
    from tokser.prediction.timeline import draw_timeline, require_drawable  # imports matplotlib

    require_drawable(settings.plot, settings.inputs, settings.window)
    model = load_model(settings.model)
    found = predict_by_settings(model, settings, read_lines)
    name = f"{settings.model.resolve().name} ({model.dataset}, {model.features})"
    draw_timeline(Path(settings.inputs[0]), found.table, model, settings.plot, name=name)
    return found
