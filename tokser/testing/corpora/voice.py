"""Text to speech by espeak-ng: a voice, and the waveform it makes of a sentence."""

import _ctypes
import ctypes
import functools
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int16

from tokser.corpora.waveform import import_torchaudio
from tokser.device import one_thread
from tokser.errors import InputError, MissingPackageError, RunError

__all__ = ["SAMPLING_RATE_HZ", "VOICE_RANGES", "Voice", "resample", "speak", "synthesise"]

SAMPLING_RATE_HZ = 16_000

# Names and values of espeak-ng's C interface, speak_lib.h revision 12.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_POS_CHARACTER = 1
_RATE, _VOLUME, _PITCH, _RANGE, _WORDGAP = 1, 2, 3, 4, 7
_EE_OK = 0
_MOST_PATH_BYTES = 159
"""espeak-ng keeps its data folder in a buffer of 160 bytes, and cuts off the rest in silence."""

VOICE_RANGES = {
    "rate_wpm": (80, 450),
    "pitch": (0, 99),
    "pitch_range": (0, 99),
    "volume": (0, 200),
}
"""Lowest and highest value of every setting of a voice."""

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
_lock = threading.Lock()


@dataclass(frozen=True)
class Voice:
    """How a sentence is spoken.

    Args:
        name: Language, and after `+` a variant of it: `en-us+f3`, `de+m4`.
        rate_wpm: Speaking rate in words a minute, 80 to 450.
        pitch: Height of the voice, 0 to 99; 50 is the variant's own.
        pitch_range: Liveliness of the intonation, 0 (monotone) to 99; 50 is normal.
        volume: Loudness in per cent of the normal one, 0 to 200.

    Raises:
        InputError: A value is out of its range.
    """

    name: str
    rate_wpm: int = 175
    pitch: int = 50
    pitch_range: int = 50
    volume: int = 100

    def __post_init__(self) -> None:
        for field, (low, high) in VOICE_RANGES.items():
            value = getattr(self, field)
            if not low <= value <= high:
                raise InputError(
                    f"voice {self.name}",
                    expected=f"{field} from {low} to {high}",
                    got=str(value),
                    remedy="Choose a value within the range.",
                )


def synthesise(text: str, voice: Voice) -> Float32[np.ndarray, " num_samples"]:
    """Speak `text` with `voice`; the same two give the same waveform, independent of earlier calls.

    Args:
        text: A sentence; its punctuation shapes the intonation.
        voice: Who speaks, and how.

    Returns:
        Waveform at 16 kHz, within -1 and 1, shape [num_samples].

    Raises:
        MissingPackageError: espeakng-loader is not installed.
        InputError: The voice is unknown, or espeak-ng cannot read its data where it lies.
        RunError: espeak-ng made no sound of the text.
    """
    return resample(*speak(text, voice))


def speak(text: str, voice: Voice) -> tuple[Int16[np.ndarray, " num_samples"], int]:
    """Return what espeak-ng makes of `text`, and its sampling rate in Hz; as `synthesise`.

    Other threads run meanwhile, unless they speak, too.
    """
    with _lock, _fresh_espeak() as (library, data):
        try:
            rate_hz = _initialise(library, data)
            _set_voice(library, data, voice)
            samples = _speak(library, text)
        finally:
            library.espeak_Terminate()
    if not samples.any():
        raise RunError(
            f"voice {voice.name}",
            expected=f"speech for {text!r}",
            got="silence",
            remedy="Give a text that can be spoken, and a volume above 0.",
        )
    return samples, rate_hz


@contextmanager
def _fresh_espeak() -> Iterator[tuple[ctypes.CDLL, Path]]:
    """Load the library again, and unload it afterwards.

    Flutter, gain control and echo live in static variables that espeak_Initialize leaves alone:
    within one loaded library, an utterance depends on the utterances before it.
    """
    try:
        import espeakng_loader

        library = ctypes.CDLL(espeakng_loader.get_library_path())
    except (ImportError, OSError) as error:
        raise MissingPackageError(
            "synthetic speech",
            expected="the package espeakng-loader",
            got=str(error),
            remedy='Run pip install "tokser[demo]".',
        ) from error
    handle = library._handle
    try:
        yield library, Path(espeakng_loader.get_data_path())
    finally:
        if sys.platform == "win32":
            _ctypes.FreeLibrary(handle)
        else:
            _ctypes.dlclose(handle)


def _initialise(library: ctypes.CDLL, data: Path) -> int:
    """Start espeak-ng on its data folder; return its sampling rate in Hz."""
    encoded = os.fsencode(data)
    if len(encoded) > _MOST_PATH_BYTES:
        raise InputError(
            data,
            expected=f"a path of at most {_MOST_PATH_BYTES} bytes, which is all espeak-ng can hold",
            got=f"{len(encoded)} bytes",
            remedy="Install tokser in an environment with a shorter path.",
        )
    if not (data / "phontab").is_file():
        raise _no_data(data, "a folder without phontab")
    rate_hz = int(
        library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, encoded, _INITIALIZE_DONT_EXIT)
    )
    # When the folder is no good, espeak-ng looks elsewhere and still returns a rate.
    used = ctypes.c_char_p()
    library.espeak_Info(ctypes.byref(used))
    if rate_hz <= 0 or Path(os.fsdecode(used.value or b"")) != data:
        raise _no_data(data, "a folder that espeak-ng cannot read")
    # Initialising seeds the noise of breath and whisper from the clock.
    library.espeak_ng_SetRandSeed(ctypes.c_long(0))
    return rate_hz


def _no_data(data: Path, got: str) -> InputError:
    return InputError(
        data,
        expected="espeak-ng's data",
        got=got,
        remedy='Reinstall it: pip install --force-reinstall "tokser[demo]".',
    )


def _set_voice(library: ctypes.CDLL, data: Path, voice: Voice) -> None:
    """Choose language, variant and prosody."""
    _, _, variant = voice.name.partition("+")
    # espeak-ng takes an unknown variant for no variant, without a word.
    known = not variant or (data / "voices" / "!v" / variant).is_file()
    if not known or library.espeak_SetVoiceByName(voice.name.encode()) != _EE_OK:
        raise InputError(
            "voice",
            expected="a language and variant of espeak-ng, such as en-us+f3 or de+m4",
            got=repr(voice.name),
            remedy=f"Choose a variant from {data / 'voices' / '!v'}.",
        )
    for parameter, value in (
        (_RATE, voice.rate_wpm),
        (_VOLUME, voice.volume),
        (_PITCH, voice.pitch),
        (_RANGE, voice.pitch_range),
        (_WORDGAP, 0),
    ):
        if library.espeak_SetParameter(parameter, value, 0) != _EE_OK:
            raise RunError(
                f"voice {voice.name}",
                expected=f"parameter {parameter} of espeak-ng to become {value}",
                got="a refusal",
                remedy="Choose another value.",
            )


def _speak(library: ctypes.CDLL, text: str) -> Int16[np.ndarray, " num_samples"]:
    """Collect the samples that espeak-ng hands over while it speaks."""
    chunks: list[bytes] = []

    def collect(samples: int | None, num_samples: int, _events: Any) -> int:
        if samples and num_samples > 0:
            chunks.append(ctypes.string_at(samples, 2 * num_samples))
        return 0

    callback = _Callback(collect)
    library.espeak_SetSynthCallback(callback)
    encoded = text.encode() + b"\0"
    status = library.espeak_Synth(
        ctypes.c_char_p(encoded),
        ctypes.c_size_t(len(encoded)),
        ctypes.c_uint(0),
        ctypes.c_int(_POS_CHARACTER),
        ctypes.c_uint(0),
        ctypes.c_uint(_CHARS_UTF8),
        None,
        None,
    )
    if status != _EE_OK:
        raise RunError(
            "espeak-ng",
            expected=f"speech for {text!r}",
            got=f"status {status}",
            remedy="Give a shorter or simpler text.",
        )
    return np.frombuffer(b"".join(chunks), dtype=np.int16)


def resample(
    samples: Int16[np.ndarray, " num_samples"], rate_hz: int
) -> Float32[np.ndarray, " num_resampled"]:
    """Return the waveform at 16 kHz, within -1 and 1, of samples at `rate_hz`."""
    import torch

    # In float64, the order of summation on this or that processor does not reach PCM16.
    waveform = torch.from_numpy(samples.astype(np.float64) / 32768)
    with one_thread():
        resampled = _resampler(rate_hz)(waveform)
    return np.asarray(resampled.clamp(-1, 1).numpy(), dtype=np.float32)


@functools.cache
def _resampler(rate_hz: int) -> Any:
    torch, torchaudio = import_torchaudio()
    return torchaudio.transforms.Resample(rate_hz, SAMPLING_RATE_HZ, dtype=torch.float64)
