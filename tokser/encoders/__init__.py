"""Frozen speech and text encoders behind one small Protocol.

`load_encoder` takes a hub id or a local folder; its configuration decides between speech and text.
"""

from tokser.encoders.base import Encoder, SpeechEncoder, TextEncoder
from tokser.encoders.registry import load_encoder

__all__ = ["Encoder", "SpeechEncoder", "TextEncoder", "load_encoder"]
