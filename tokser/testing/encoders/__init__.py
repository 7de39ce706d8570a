"""Tiny random checkpoints in the Hugging Face layout, to run everything without a download."""

from tokser.testing.encoders.other_speech import OTHER_FAMILIES, build_tiny_speech
from tokser.testing.encoders.speech import build_tiny_wav2vec2, build_tiny_wavlm, build_tiny_whisper
from tokser.testing.encoders.text import build_tiny_bert, build_tiny_text
from tokser.testing.encoders.transcriber import build_tiny_transcriber

__all__ = [
    "OTHER_FAMILIES",
    "build_tiny_bert",
    "build_tiny_speech",
    "build_tiny_text",
    "build_tiny_transcriber",
    "build_tiny_wav2vec2",
    "build_tiny_wavlm",
    "build_tiny_whisper",
]
