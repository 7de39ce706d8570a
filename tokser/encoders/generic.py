"""Any other speech model of transformers, known by what it does with short synthetic waveforms."""

import functools
import warnings
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.rnn import pad_sequence

from tokser.encoders.arithmetic import Arithmetic
from tokser.encoders.base import Activations, StoredDtype
from tokser.encoders.batch_invariance import Batching, Rows, find_batching
from tokser.encoders.batch_shapes import group_near_equal
from tokser.encoders.checkpoint import Checkpoint
from tokser.encoders.fetch_activations import DeviceOutput
from tokser.encoders.frames import overlapping, windows
from tokser.encoders.generic_inputs import GenericInputs, ModelInputs, join_inputs
from tokser.encoders.generic_model import GenericModel
from tokser.encoders.row_formula import RowFormula, learn_row_formula
from tokser.errors import CheckpointError
from tokser.progress import say

__all__ = ["GenericSpeechEncoder"]

SAMPLING_RATE_HZ = 16_000
WINDOW_S, OVERLAP_S = 60, 20
"""Recordings above the first are cut: attention takes memory by the square of their length."""
_PROBED = 2 * SAMPLING_RATE_HZ
"""Length of the longest synthetic waveform."""
_BATCH = (16_000, 12_345, 9_001)
"""Lengths of the waveforms that are compared alone and together."""


class GenericSpeechEncoder:
    """A speech model of transformers that has no class of its own here.

    When it is loaded it runs over short synthetic waveforms, which say how many rows a waveform
    has, how short it may be, which layers there are, and whether batches change an utterance's
    rows. If they do, waveforms are encoded one by one.

    Recordings that are longer than the window of an input of fixed size are cut into windows of
    that, one after the other, and rows that hold padding alone are dropped. Other recordings above
    a minute are cut into windows that overlap, of which half the overlap is kept of either.

    Raises:
        CheckpointError: It gives no hidden states, or cannot take 2 s of audio.
    """

    kind: Literal["speech"] = "speech"

    def __init__(self, checkpoint: Checkpoint, arithmetic: Arithmetic) -> None:
        self._checkpoint, self._arithmetic = checkpoint, arithmetic
        self.name = checkpoint.name
        self._inputs = GenericInputs(checkpoint)
        self._model = GenericModel(checkpoint, arithmetic)
        probed = self._model.find_layers(self._inputs.of(_noise(self._inputs.window or _PROBED)))
        self.dim, self._rows_per_window = int(probed[-1].shape[2]), int(probed[-1].shape[1])
        self.separate_last = self._model.last_is_apart
        self.num_layers = len(probed) - 1 - self.separate_last
        if not self._model.has_all_layers:
            self.layer_names = ("last",)
        self._learn_rows()
        if self._inputs.window is not None:
            self._learn_window(self._inputs.window)

    def _learn_rows(self) -> None:
        """Learn the rows of a waveform of any length, and the length of the shortest."""
        if self._inputs.window is not None:
            self.min_samples = _shortest(self._count, _PROBED)
            self._formula: RowFormula | None = None
            return
        self._formula = learn_row_formula(self._count, _PROBED)
        if self._formula is not None:
            self.min_samples = self._formula.min_samples
            return
        self.min_samples = _shortest(self._count, _PROBED)
        self.max_samples = WINDOW_S * SAMPLING_RATE_HZ
        say(
            f"{self.name}: its rows follow no formula of the length; those of each length are "
            f"counted, and recordings above {WINDOW_S} s are refused"
        )

    def _learn_window(self, window: int) -> None:
        """Learn how much audio a row of an input of fixed size stands for."""
        config = self._checkpoint.config
        stride = config.get("time_stride")  # in frames of 10 ms
        self._samples_per_row = int(stride) * 160 if stride else window // self._rows_per_window
        self._window = min(window, self._samples_per_row * self._rows_per_window)
        say(
            f"{self.name}: recordings above {self._window / SAMPLING_RATE_HZ:g} s are cut into "
            "windows of that"
        )

    @functools.cached_property
    def batching(self) -> Batching:
        """Which waveforms may share a batch; said once, where few may."""
        found = find_batching(self._probe, _BATCH, self._arithmetic.name)
        why = {
            "equal lengths": "padding changes its rows, so only recordings of one length share a "
            "batch",
            "one by one": "other recordings of a batch change its rows, so each is encoded alone",
        }
        if found in why:
            say(f"{self.name}: {why[found]}")
        return found

    def provenance(self) -> dict[str, Any]:
        """Model, weights and preprocessing."""
        found = {
            "model": self.name,
            "model_type": self._checkpoint.config["model_type"],
            "revision": self._checkpoint.revision,
            "weights_sha256": self._checkpoint.weights_sha256(),
            "precision": self._arithmetic.name,
            "sampling_rate_hz": SAMPLING_RATE_HZ,
            **self._inputs.describe(),
        }
        if self._inputs.sampling_rate_hz != SAMPLING_RATE_HZ:
            found["resampled_to_hz"] = self._inputs.sampling_rate_hz
        if self._inputs.window is not None:
            found["window_s"] = self._window / SAMPLING_RATE_HZ
            found["trim"] = f"ceil(num_samples / {self._samples_per_row})"
        return found

    def provenance_of_long(self, num_samples: int) -> dict[str, Any]:
        """How recordings of more than one window are cut, where windows overlap."""
        if self._inputs.window is not None or len(self._pieces(num_samples)) == 1:
            return {}
        return {"window_s": float(WINDOW_S), "window_overlap_s": float(OVERLAP_S)}

    def num_frames(self, num_samples: int) -> int:
        """Rows of a waveform."""
        if self._inputs.window is not None:
            cuts = windows(num_samples, self._window)
            return sum(-(-(after - first) // self._samples_per_row) for first, after in cuts)
        if self._formula is not None:
            return self._formula(num_samples)
        counted: int = self._counted(num_samples)
        return counted

    def batches(self, num_samples: Sequence[int], batch_seconds: float) -> list[list[int]]:
        """Group waveforms as `batching` allows."""
        if self.batching == "one by one":
            return [[position] for position in range(len(num_samples))]
        sizes = list(num_samples)
        if self._inputs.window is not None:
            sizes = [len(windows(n, self._window)) * self._window for n in num_samples]
        waste = {"max_waste": 0.0} if self.batching == "equal lengths" else {}
        return group_near_equal(sizes, int(batch_seconds * SAMPLING_RATE_HZ), **waste)

    def encode(
        self, waveforms: Sequence[NDArray[np.float32]], layers: Sequence[int]
    ) -> list[Activations]:
        """Run the model on some waveforms, together where `batching` allows it."""
        return self.forward(self.prepare(waveforms), layers).fetch()

    def prepare(self, inputs: Sequence[NDArray[np.float32]]) -> list[list["Piece"]]:
        """Cut waveforms into windows, and make the model's inputs of each."""
        return [
            [
                Piece(self._inputs.of(self._long_enough(waveform[first:after])), keep)
                for first, after, keep in self._pieces(len(waveform))
            ]
            for waveform in inputs
        ]

    def forward(
        self,
        prepared: Sequence[Sequence["Piece"]],
        layers: Sequence[int],
        dtype: StoredDtype = "float32",
    ) -> DeviceOutput:
        """Run the model on the waveforms of one window at once, and on others piece by piece."""
        whole = [number for number, pieces in enumerate(prepared) if len(pieces) == 1]
        alike = len({_time(prepared[n][0].inputs, self._inputs.main) for n in whole}) <= 1
        together = self.batching == "padded" or (self.batching == "equal lengths" and alike)
        found: dict[int, list[torch.Tensor]] = {}
        if together and len(whole) > 1:
            pieces = [prepared[number][0] for number in whole]
            states = self._run([piece.inputs for piece in pieces])
            for row, (number, piece) in enumerate(zip(whole, pieces, strict=True)):
                found[number] = [states[layer][row, piece.keep] for layer in layers]
        for number in range(len(prepared)):
            if number not in found:
                parts = [self._kept(piece, layers) for piece in prepared[number]]
                found[number] = [torch.cat(rows) for rows in zip(*parts, strict=True)]
        ordered = [found[number] for number in range(len(prepared))]
        padded = {
            layer: pad_sequence([rows[place] for rows in ordered], batch_first=True)
            for place, layer in enumerate(layers)
        }
        return DeviceOutput(padded, [[(n, len(rows[0]))] for n, rows in enumerate(ordered)], dtype)

    def _kept(self, piece: "Piece", layers: Sequence[int]) -> list[torch.Tensor]:
        states = self._run([piece.inputs])
        return [states[layer][0, piece.keep].clone() for layer in layers]

    def _run(self, inputs: list[ModelInputs]) -> list[torch.Tensor]:
        """Return [waveforms, rows, dim] by layer; refuse what differs from what was probed."""
        joined = join_inputs(inputs, self._inputs.main, takes_mask=self._model.takes_mask)
        return self._model.layers(joined)

    def _pieces(self, num_samples: int) -> list[tuple[int, int, slice]]:
        """Return first sample, the one after the last, and which rows are kept, of each window."""
        if self._inputs.window is not None:
            return [
                (first, after, slice(0, -(-(after - first) // self._samples_per_row)))
                for first, after in windows(num_samples, self._window)
            ]
        formula, rows = self._formula, self.num_frames(num_samples)
        if formula is None:
            return [(0, num_samples, slice(0, rows))]
        per_s = SAMPLING_RATE_HZ / formula.shift
        spans = overlapping(rows, int(WINDOW_S * per_s), int(OVERLAP_S * per_s))
        if len(spans) == 1:
            return [(0, num_samples, slice(0, rows))]
        return [
            (
                span.first * formula.shift,
                min(
                    num_samples,
                    span.first * formula.shift + formula.shortest(span.after - span.first),
                ),
                slice(span.keep_first - span.first, span.keep_after - span.first),
            )
            for span in spans
        ]

    def _long_enough(self, piece: NDArray[np.float32]) -> NDArray[np.float32]:
        """Follow the end of a last window, which may be too short by itself, by zeros."""
        missing = self.min_samples - len(piece)
        return np.pad(piece, (0, missing)) if missing > 0 else piece

    def _rows_of(self, waveform: NDArray[np.float32]) -> Rows:
        """Return [rows, dim] by layer of one synthetic waveform."""
        inputs = self._inputs.of(waveform)
        states = self._model.layers(inputs)
        rows = min(states[-1].shape[1], _valid(inputs, states[-1].shape[1]))
        return [state[0, :rows].float().cpu().numpy() for state in states]

    def _probe(self, waveforms: Sequence[NDArray[np.float32]]) -> list[Rows]:
        states = self._run([self._inputs.of(waveform) for waveform in waveforms])
        counts = [self.num_frames(len(waveform)) for waveform in waveforms]
        return [
            [state[row, :count].float().cpu().numpy() for state in states]
            for row, count in enumerate(counts)
        ]

    def _count(self, num_samples: int) -> int:
        """Count the rows of a waveform by running the model; 0 if it is too short for it."""
        if num_samples == 0:
            return 0
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")  # that there is nothing to take a mean of
                rows = self._rows_of(_noise(num_samples))[-1]
            return len(rows) if np.isfinite(rows).all() else 0
        except CheckpointError:
            raise
        except (RuntimeError, ValueError, IndexError, AssertionError, ZeroDivisionError):
            return 0  # kernels wider than the waveform

    @functools.cached_property
    def _counted(self) -> Any:
        return functools.lru_cache(maxsize=None)(self._count)


class Piece(NamedTuple):
    """A window of a waveform, ready for the model."""

    inputs: ModelInputs
    keep: slice
    """Rows that are kept."""


def _valid(inputs: ModelInputs, rows: int) -> int:
    """Return how many rows a preprocessor's own mask leaves, if it has one of their length."""
    mask = inputs.get("attention_mask")
    return int(mask.sum()) if mask is not None and mask.shape == (1, rows) else rows


def _time(inputs: ModelInputs, main: str) -> int:
    return int(inputs[main].shape[1])


def _shortest(count: Any, longest: int) -> int:
    """Return the length of the shortest waveform that has a row, in samples."""
    if count(1):
        return 1
    low, high = 1, longest
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if count(middle) else (middle, high)
    return high


def _noise(num_samples: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(0, 0.1, num_samples).astype(np.float32)
