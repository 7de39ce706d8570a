"""`tokser export-model`: a trained model as a file that other programs run."""

from typing import Any

from tokser.cli.options import command, json_option, settings_of
from tokser.cli.output import print_json, tell
from tokser.config import ExportModelSettings

__all__ = ["export_model"]


@command(
    name="export-model",
    example="tokser export-model models/emodb --format onnx --out emodb.onnx",
)
@settings_of(ExportModelSettings)
@json_option
def export_model(given: dict[str, Any], *, as_json: bool) -> None:
    """Write a trained model as ONNX, which other programs run.

    The file takes pooled functionals and returns probabilities, standardisation included. It is
    written only if onnxruntime computes what tokser computes, to 1e-5 (an encoder: to 1e-4). Needs
    tokser[onnx].
    """
    settings = ExportModelSettings.parse(given, where="tokser export-model")
    from tokser.stages.export_model import export_model as run

    found = run(settings)
    if as_json:
        print_json(found)
        return
    for one in found:
        inputs = "; ".join(f"{name}: {what}" for name, what in one.inputs.items())
        tell(f"{', '.join(one.outputs)} of {inputs} -> {one.out}")
        tell(f"onnxruntime differs by {one.difference:.1e} at most")
