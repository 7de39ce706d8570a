"""Where somebody speaks: Silero's voice activity detection, over recordings of any length."""

import contextlib
import functools
import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tokser.corpora.waveform import SAMPLING_RATE_HZ
from tokser.durable import sha256_of_file
from tokser.errors import MissingPackageError

__all__ = ["SpeechSpan", "VoiceActivity", "VoiceActivityOptions"]

_FRAME, _CONTEXT = 512, 64
"""Samples of a frame at 16 kHz, and those before it that the model sees, too."""
_BLOCK_FRAMES = 512
_STATE = (1, 1, 128)
_MODEL = "silero_vad_16k_sequence.onnx"


class SpeechSpan(NamedTuple):
    """A part of a recording in which somebody speaks, in samples at 16 kHz."""

    first: int
    after: int


@dataclass(frozen=True)
class VoiceActivityOptions:
    """What counts as speech, and how it is cut.

    Attributes:
        threshold: Probability from which a frame of 32 ms is speech; speech ends 0.15 below it.
        min_speech_s: Speech that is shorter is left out, in seconds.
        min_silence_s: Silence that is shorter does not end speech, in seconds.
        pad_s: What is added on either side, in seconds.
        max_length_s: Longest span, cut at its longest pause; None: any length.
    """

    threshold: float = 0.5
    min_speech_s: float = 0.25
    min_silence_s: float = 0.5
    pad_s: float = 0.1
    max_length_s: float | None = 30.0

    def described(self) -> dict[str, Any]:
        """Return them for provenance."""
        return asdict(self)


class VoiceActivity:
    """Silero's detector, as its package ships it.

    The frames of a recording go through the model a quarter of a minute at a time, with its state
    carried on, so memory holds one block and a probability for every 32 ms. The probabilities are
    those of the package's own model frame by frame; its own function makes spans of them.

    Args:
        options: What counts as speech.

    Raises:
        MissingPackageError: silero-vad or onnxruntime is not installed.
    """

    def __init__(self, options: VoiceActivityOptions) -> None:
        self.options = options
        self._session, self._spans_of, self._file = _load()

    @functools.cached_property
    def provenance(self) -> dict[str, Any]:
        """Which detector it is, and its options."""
        from importlib import metadata

        return {
            "detector": f"silero-vad {metadata.version('silero-vad')}",
            "weights_sha256": sha256_of_file(self._file),
            **self.options.described(),
        }

    def probabilities(self, blocks: Iterable[NDArray[np.float32]]) -> tuple[list[float], int]:
        """Return the probability of speech of every 32 ms, and the number of samples.

        Args:
            blocks: Mono at 16 kHz, blocks of any length, one after the other.
        """
        hidden, cell = (np.zeros(_STATE, dtype=np.float32) for _ in range(2))
        context = np.zeros(_CONTEXT, dtype=np.float32)
        found: list[float] = []
        num_samples = 0
        for frames, count in _frames(blocks):
            num_samples += count
            contexts = np.concatenate([context[None], frames[:-1, -_CONTEXT:]])
            context = frames[-1, -_CONTEXT:]
            given = {"input": np.concatenate([contexts, frames], axis=1), "h": hidden, "c": cell}
            values, hidden, cell = self._session.run(["speech_probs", "hn", "cn"], given)
            found += np.asarray(values).reshape(-1).tolist()
        return found, num_samples

    def spans(self, blocks: Iterable[NDArray[np.float32]]) -> list[SpeechSpan]:
        """Return where somebody speaks; see `probabilities` for the argument."""
        probabilities, num_samples = self.probabilities(blocks)
        options = self.options
        longest = float("inf") if options.max_length_s is None else options.max_length_s
        found = self._spans_of(
            probabilities,
            sampling_rate=SAMPLING_RATE_HZ,
            threshold=options.threshold,
            min_speech_duration_ms=1000 * options.min_speech_s,
            max_speech_duration_s=longest,
            min_silence_duration_ms=1000 * options.min_silence_s,
            speech_pad_ms=1000 * options.pad_s,
            audio_length_samples=num_samples,
        )
        spans = [SpeechSpan(int(one["start"]), int(one["end"])) for one in found]
        return [span for span in spans if span.after > span.first]


def _frames(
    blocks: Iterable[NDArray[np.float32]],
) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Yield [frames, 512] of at most a quarter of a minute, and how many samples they hold.

    The last frame is filled up with zeros.
    """
    size = _BLOCK_FRAMES * _FRAME
    rest = np.zeros(0, dtype=np.float32)
    for block in blocks:
        samples = np.concatenate([rest, block])
        whole = len(samples) // size * size
        for begin in range(0, whole, size):
            yield samples[begin : begin + size].reshape(-1, _FRAME), size
        rest = samples[whole:]
    if len(rest):
        yield np.pad(rest, (0, -len(rest) % _FRAME)).reshape(-1, _FRAME), len(rest)


def _load() -> tuple[Any, Any, Path]:
    """Return the model, what makes spans of probabilities, and the model's file."""
    try:
        with _torch_threads_kept():
            import onnxruntime
            from silero_vad import get_speech_timestamps_from_probs

        package = importlib.util.find_spec("silero_vad")
        places = list(package.submodule_search_locations or ()) if package else []
        file = Path(places[0]) / "data" / _MODEL
        options = onnxruntime.SessionOptions()
        options.inter_op_num_threads = options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            str(file), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except (ImportError, OSError, RuntimeError, IndexError) as error:
        raise MissingPackageError(
            "silero-vad",
            expected="silero-vad 6.2 or later, and onnxruntime, for --vad",
            got=f"{type(error).__name__}: {error}",
            remedy='Install them: pip install "tokser[vad]".',
        ) from error
    return session, get_speech_timestamps_from_probs, file


@contextlib.contextmanager
def _torch_threads_kept() -> Iterator[None]:
    """Undo what importing silero-vad does: it sets torch to one thread for the whole process."""
    import torch

    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
