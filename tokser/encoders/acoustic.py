"""Energy and pitch of whole utterances, measured without a model: what probes predict."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from tokser.encoders.base import Activations, StoredDtype, StoredRows
from tokser.encoders.few_at_once import few_at_once
from tokser.encoders.pitch import FRAME, HIGHEST_HZ, HOP, LOWEST_HZ, frames_of, yin
from tokser.errors import SettingsError
from tokser.provenance import COLUMNS

__all__ = ["AcousticEncoder", "load_acoustic", "measure"]

SAMPLING_RATE_HZ = 16_000
NAMES = ("energy_db_mean", "energy_db_std", "f0_semitones_mean", "f0_semitones_std", "voiced_share")
"""Columns. Energy: RMS of frames in dB of full scale; F0: semitones from 27.5 Hz, over voiced
frames (0 where there are none); share of frames that are voiced."""
_FUNCTIONALS = "functionals"
_LOWEST_DB = -100.0
_LOUD_DB = 40.0
"""Frames so far below the loudest are not voiced, however periodic."""
_FROM_HZ = 27.5


def load_acoustic(argument: str) -> "AcousticEncoder":
    """Return the encoder; it takes no argument.

    Raises:
        SettingsError: There is one.
    """
    if argument:
        raise SettingsError(
            f"--encoder acoustic:{argument}",
            expected="acoustic",
            got=f"an argument, {argument!r}",
            remedy="Leave it out.",
        )
    return AcousticEncoder()


class AcousticEncoder:
    """The layer `functionals`: energy and F0 of each utterance, see `NAMES`.

    Computed here, without a further package: openSMILE has both, under a licence that many cannot
    use, and torchaudio's detector of pitch gives unvoiced frames a pitch, too.
    """

    name = "acoustic"
    kind: Literal["speech"] = "speech"
    dim = len(NAMES)
    num_layers = 0
    separate_last = False
    layer_names = (_FUNCTIONALS,)
    default_layers = (0,)
    utterance_level = (0,)
    stored_dtype: StoredDtype = "float32"
    min_samples = FRAME

    def provenance(self) -> dict[str, Any]:
        """What decides the numbers, and names of the columns."""
        return {
            "model": self.name,
            "model_type": self.name,
            "revision": "1",
            "precision": "float32",
            "sampling_rate_hz": SAMPLING_RATE_HZ,
            "frame_samples": FRAME,
            "hop_samples": HOP,
            "f0": f"YIN, {LOWEST_HZ:g} to {HIGHEST_HZ:g} Hz",
            COLUMNS: {_FUNCTIONALS: list(NAMES)},
        }

    def provenance_of_long(self, num_samples: int) -> dict[str, Any]:
        """Nothing: recordings are never cut."""
        return {}

    def num_frames(self, num_samples: int) -> int:
        """Frames that are measured."""
        return max(0, 1 + (num_samples - FRAME) // HOP)

    def batches(self, num_samples: Sequence[int], batch_seconds: float) -> list[list[int]]:
        """Put a few waveforms into each batch; each is measured alone."""
        return few_at_once(num_samples, batch_seconds * SAMPLING_RATE_HZ)

    def encode(
        self, waveforms: Sequence[NDArray[np.float32]], layers: Sequence[int]
    ) -> list[Activations]:
        """Return [1, dim] of each waveform."""
        return self.forward(self.prepare(waveforms), layers).fetch()

    def prepare(self, inputs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Measure them here already: this runs in threads that read ahead."""
        return [measure(waveform)[None, :] for waveform in inputs]

    def forward(
        self,
        prepared: Sequence[NDArray[np.float32]],
        layers: Sequence[int],
        dtype: StoredDtype = "float32",
    ) -> "_Measured":
        """Return what was measured."""
        return _Measured([dict.fromkeys(layers, rows) for rows in prepared], dtype)


class _Measured:
    """Rows that are there already."""

    def __init__(self, rows: list[dict[int, NDArray[np.float32]]], dtype: StoredDtype) -> None:
        self._rows, self._dtype = rows, dtype

    @property
    def num_bytes(self) -> int:
        """Memory that is held."""
        return sum(one.nbytes for by_layer in self._rows for one in by_layer.values())

    def fetch(self) -> list[StoredRows]:
        """Return [1, dim] by layer for each utterance."""
        return [
            {layer: one.astype(self._dtype) for layer, one in by_layer.items()}
            for by_layer in self._rows
        ]

    def before_cast(self, utterance: int, layer: int) -> NDArray[np.float32]:
        """Return the row of one utterance."""
        return self._rows[utterance][layer]


def measure(waveform: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, " numbers"]:
    """Return `NAMES` of a waveform of 16 kHz that has one frame at least."""
    frames = frames_of(waveform)
    energy = 20 * np.log10(np.maximum(np.sqrt((frames**2).mean(axis=1)), 10 ** (_LOWEST_DB / 20)))
    pitch = yin(frames)
    is_voiced = np.isfinite(pitch) & (energy >= energy.max() - _LOUD_DB)
    semitones = 12 * np.log2(pitch[is_voiced] / _FROM_HZ) if is_voiced.any() else np.zeros(1)
    found = (energy.mean(), energy.std(), semitones.mean(), semitones.std(), is_voiced.mean())
    return np.array(found, dtype=np.float32)
