"""How an encoder is loaded: the same way on every machine that runs it."""

from dataclasses import dataclass, replace
from pathlib import Path

from tokser.config import ContextName, PrecisionName
from tokser.device import resolve_device, suited_batch_seconds
from tokser.encoders import SpeechEncoder, TextEncoder, load_encoder

__all__ = ["EncoderSpec"]


@dataclass(frozen=True)
class EncoderSpec:
    """A model, and how it computes.

    Attributes:
        source: Hub id or local folder.
        revision: Branch, tag or commit on the hub.
        device: `auto`, `cpu`, `cuda`, ...; resolved where the encoder runs.
        precision: Type of weights and matrix products.
        context: What Whisper sees, `pad` or `fit`.
        batch_seconds: Largest amount of audio in one batch, padding included, in seconds; None:
            what suits the device.
    """

    source: str
    revision: str | None = None
    device: str = "auto"
    precision: PrecisionName = "fp32"
    context: ContextName = "pad"
    batch_seconds: float | None = None

    def load(self) -> SpeechEncoder | TextEncoder:
        """Load the encoder; raises what `load_encoder` raises."""
        return load_encoder(
            self.source,
            revision=self.revision,
            device=resolve_device(self.device),
            precision=self.precision,
            context=self.context,
        )

    def batch_seconds_here(self) -> float:
        """Return the size of a batch on this machine, in seconds."""
        return self.batch_seconds or suited_batch_seconds(resolve_device(self.device))

    def with_absolute_source(self) -> "EncoderSpec":
        """Return the same for any working directory: a local folder by its absolute path."""
        folder = Path(self.source).expanduser().absolute()
        return replace(self, source=str(folder)) if folder.is_dir() else self
