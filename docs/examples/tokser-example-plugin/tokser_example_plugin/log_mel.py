"""Log-mel energies, every 10 ms: what deep features should beat."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
import torchaudio
from numpy.typing import NDArray

from tokser.encoders.fetch_activations import DeviceOutput
from tokser.errors import SettingsError

_WINDOW, _HOP, _SAMPLING_RATE_HZ = 400, 160, 16_000


def load(argument: str, *, device: torch.device, precision: str) -> "LogMelEncoder":
    """Return the encoder of `--encoder log-mel:BANDS`; without a number, of 40 bands."""
    bands = argument or "40"
    if not bands.isdigit() or not 1 <= int(bands) <= 80:
        raise SettingsError(
            f"--encoder log-mel:{argument}",
            expected="1 to 80 bands",
            got=argument,
            remedy="Write for instance log-mel:40.",
        )
    return LogMelEncoder(int(bands), device)


class LogMelEncoder:
    """log(1e-6 + mel energies), windows of 25 ms every 10 ms; one layer, `log-mel`."""

    kind: Literal["speech"] = "speech"
    num_layers = 0
    separate_last = False
    layer_names = ("log-mel",)
    min_samples = _WINDOW

    def __init__(self, bands: int, device: torch.device) -> None:
        self.name, self.dim, self._device = f"log-mel-{bands}", bands, device
        self._energies = torchaudio.transforms.MelSpectrogram(
            _SAMPLING_RATE_HZ, n_fft=_WINDOW, hop_length=_HOP, n_mels=bands, center=False
        ).to(device)

    def provenance(self) -> dict[str, Any]:
        """Everything that decides the numbers: a store refuses to mix two answers."""
        return {
            "model": self.name,
            "model_type": "log-mel",
            "torchaudio": torchaudio.__version__.partition("+")[0],
            "precision": "float32",
            "sampling_rate_hz": _SAMPLING_RATE_HZ,
        }

    def provenance_of_long(self, num_samples: int) -> dict[str, Any]:
        """Nothing: long recordings are treated as all others."""
        return {}

    def num_frames(self, num_samples: int) -> int:
        """Frames of a waveform; exact, since the store is planned by it."""
        return (num_samples - _WINDOW) // _HOP + 1

    def batches(self, num_samples: Sequence[int], batch_seconds: float) -> list[list[int]]:
        """One by one: no neighbour can change anything."""
        return [[position] for position in range(len(num_samples))]

    def prepare(self, inputs: Sequence[NDArray[np.float32]]) -> list[torch.Tensor]:
        """Turn waveforms into tensors; called in several threads."""
        return [torch.from_numpy(waveform) for waveform in inputs]

    def forward(
        self,
        prepared: Sequence[torch.Tensor],
        layers: Sequence[int],
        dtype: Literal["float16", "float32"] = "float32",
    ) -> DeviceOutput:
        """Compute the energies of a batch."""
        rows = [torch.log(1e-6 + self._energies(one.to(self._device))).T for one in prepared]
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        cuts = [[(number, len(one))] for number, one in enumerate(rows)]
        return DeviceOutput(dict.fromkeys(layers, padded), cuts, dtype)

    def encode(
        self, waveforms: Sequence[NDArray[np.float32]], layers: Sequence[int]
    ) -> list[dict[int, NDArray[np.float32]]]:
        """Return [num_frames, bands] of each waveform, by layer."""
        return self.forward(self.prepare(waveforms), layers).fetch()
