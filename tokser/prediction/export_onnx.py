"""A model as an ONNX file, written only if onnxruntime computes the same."""

import json
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tokser.durable import write_atomically
from tokser.encoders.base import precision_of
from tokser.errors import InputError, MissingPackageError, RunError, SettingsError
from tokser.experiments.models import Model
from tokser.prediction.load_encoders import LoadedEncoder, load_encoders
from tokser.progress import say
from tokser.provenance import versions

__all__ = ["ENCODER_TOLERANCE", "HEAD_TOLERANCE", "Exported", "export_encoder", "export_head"]

HEAD_TOLERANCE, ENCODER_TOLERANCE = 1e-5, 1e-4
"""Largest difference of an output, and largest relative L2 distance of a layer."""
_ROWS = 64
"""Random utterances that the check predicts."""
_OPSET = 17


@dataclass(frozen=True)
class Exported:
    """A file that was written and checked.

    Attributes:
        out: The file.
        difference: Largest difference of an output; for an encoder, largest relative distance.
        inputs: Names of its inputs, with what they take.
        outputs: Names of its outputs.
    """

    out: Path
    difference: float
    inputs: dict[str, str]
    outputs: tuple[str, ...]


def export_head(model: Model, out: Path) -> Exported:
    """Write everything from pooled functionals to predictions: standardisation, heads, averages.

    Raises:
        SettingsError: The file's name ends otherwise, another file is there, or a head has no exact
            form.
        MissingPackageError: onnx or onnxruntime is not installed.
        RunError: onnxruntime computes something else.
    """
    runtime = _require_packages(out)
    from tokser.prediction.onnx_graph import input_names, model_graph

    names = input_names(model)
    content = model_graph(model, _metadata(model, names)).SerializeToString(deterministic=True)
    tables = _random_functionals(model)
    given = {names[name]: table.to_numpy() for name, table in tables.items()}
    (found,) = _run(runtime, content, given)
    wanted = _outputs(model, tables)
    difference = float(np.abs(found - wanted).max())
    _require_close(out, difference, HEAD_TOLERANCE * max(1.0, float(np.abs(wanted).max())))
    _write(out, content)
    if model.standardise == "speaker":
        say(f"{out}: takes functionals that are standardised by speaker before")
    takes = {plain: f"functionals of {name}" for name, plain in names.items()}
    return Exported(out, difference, takes, ("probabilities" if model.classes else model.target,))


def export_encoder(model: Model, out: Path, sources: Sequence[str] = ()) -> Exported:
    """Write a Whisper encoder: log-mel of a window of 30 s to the layers that the model reads.

    Trimming to the frames with audio, and mean and standard deviation over them, are left to the
    program that runs it.

    Args:
        model: Which encoder, and which layers.
        out: File to write.
        sources: Folders or hub ids of encoders that are elsewhere now than at training.

    Raises:
        InputError: The model has another encoder than one Whisper with windows of 30 s.
        MissingPackageError: onnx or onnxruntime is not installed.
        RunError: onnxruntime computes something else.
    """
    runtime = _require_packages(out)
    groups = model.recipe.groups
    kinds = [str(group.provenance.get("model_type", group.kind)) for group in groups]
    made = [(group.provenance.get("context"), precision_of(group.provenance)) for group in groups]
    if kinds != ["whisper"] or made != [("pad", "fp32")]:
        raise InputError(
            "--with-encoder",
            expected="a model of one Whisper encoder in fp32, with windows of 30 s (context pad)",
            got=", ".join(
                f"{group.name} ({kind})" for group, kind in zip(groups, kinds, strict=True)
            ),
            remedy="Export the head alone: leave --with-encoder out.",
        )
    (loaded,) = load_encoders(model.recipe, sources=sources, device="cpu")
    content, difference = _traced(loaded, runtime, out)
    _write(out, content)
    return Exported(out, difference, {"log_mel": _LOG_MEL}, tuple(map(_plain, loaded.layers)))


_LOG_MEL = "float32 [windows, mel bins, 3000], as the model's own preprocessor makes it"


def _traced(loaded: LoadedEncoder, runtime: Any, out: Path) -> tuple[bytes, float]:
    """Return the file's content, and its distance from the encoder on random log-mel."""
    import torch

    encoder: Any = loaded.extractor.encoder
    numbers = list(loaded.layers.values())
    network = encoder.network(numbers)
    names = [_plain(name) for name in loaded.layers]
    generator = torch.Generator().manual_seed(0)
    mel = torch.randn((2, *network.input_shape), generator=generator)
    with (
        tempfile.TemporaryDirectory() as folder,
        warnings.catch_warnings(),
        torch.inference_mode(),
    ):
        file = Path(folder) / out.name
        # torch.export wants onnxscript, and tracing warns that it will be removed.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (mel[:1],),
            str(file),
            dynamo=False,
            opset_version=_OPSET,
            input_names=["log_mel"],
            output_names=names,
            dynamic_axes={name: {0: "windows"} for name in ("log_mel", *names)},
        )
        content = file.read_bytes()
        wanted = [layer.numpy() for layer in network(mel)]
    found = _run(runtime, content, {"log_mel": mel.numpy()})
    distances = [
        float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in zip(found, wanted, strict=True)
    ]
    _require_close(out, max(distances), ENCODER_TOLERANCE)
    return content, max(distances)


def _plain(name: str) -> str:
    return name.replace("-", "_")


def _require_packages(out: Path) -> Any:
    """Return onnxruntime."""
    if out.suffix.lower() != ".onnx":
        raise SettingsError(
            f"--out {out}",
            expected="a name that ends in .onnx",
            got=out.suffix or "no ending",
            remedy="Name the file so.",
        )
    try:
        import onnx  # noqa: F401
        import onnxruntime
    except ImportError as error:
        raise MissingPackageError(
            "--format onnx",
            expected="the packages onnx and onnxruntime",
            got=f"no {error.name}",
            remedy="Install them: pip install 'tokser[onnx]'.",
        ) from error
    return onnxruntime


def _metadata(model: Model, names: dict[str, str]) -> dict[str, str]:
    encoders = [
        {"name": group.name, "source": group.source, "weights_sha256": group.weights_sha256}
        for group in model.recipe.groups
    ]
    content = {
        "task": model.task,
        "target": model.target,
        "dataset": model.dataset,
        "classes": list(model.classes),
        "inputs": {plain: name for name, plain in names.items()},
        "functionals": {str(term): list(term.functionals) for term in model.terms},
        "standardise": model.standardise,
        "encoders": encoders,
        "versions": versions(),
    }
    return {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in content.items()
    }


def _random_functionals(model: Model) -> dict[str, pd.DataFrame]:
    """Draw functionals as widely as those of the training part."""
    rng = np.random.default_rng(0)
    tables: dict[str, pd.DataFrame] = {}
    for member in model.members:
        scaling, first = member.fitted.scaling, 0
        for term, width in zip(member.features.terms, member.widths, strict=True):
            own = slice(first, first + width)
            first += width
            spread = np.where(scaling.is_constant[own], 0, scaling.scale[own])
            values = scaling.mean[own] + spread * rng.normal(size=(_ROWS, width))
            index = pd.Index([str(i) for i in range(_ROWS)], name="id")
            tables[str(term)] = pd.DataFrame(values.astype(np.float32), index=index)
    return tables


def _outputs(model: Model, tables: dict[str, pd.DataFrame]) -> NDArray[np.float64]:
    """Predict functionals as they are, already standardised by speaker where the model does so."""
    predicted = replace(model, standardise="global").predict_functionals(tables)
    columns = list(model.columns[1:]) if model.classes else model.target
    return np.asarray(predicted[columns].to_numpy(dtype=np.float64))


def _run(runtime: Any, content: bytes, given: dict[str, Any]) -> list[Any]:
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return list(session.run(None, given))


def _require_close(out: Path, difference: float, most: float) -> None:
    if not difference <= most:
        raise RunError(
            out,
            expected=f"what tokser computes, to {most:.1g}",
            got=f"a difference of {difference:.3g} in onnxruntime",
            remedy="Nothing was written. Use the model through tokser.",
        )


def _write(out: Path, content: bytes) -> None:
    if out.exists() and (out.is_dir() or out.read_bytes() != content):
        raise SettingsError(
            f"--out {out}",
            expected="no file yet, or the same one",
            got="a folder" if out.is_dir() else "another file",
            remedy="Name another file, or remove this one.",
        )
    write_atomically(out, content)
