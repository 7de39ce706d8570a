"""Synthetic corpora, tiny random encoders and demo material, for tests here and elsewhere.

Everything is small, is made without a download, and has the same bytes on every machine. Only
`tokser demo` and tests use it.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokser.testing.corpora.emodb import write_emodb
    from tokser.testing.corpora.iemocap import write_iemocap
    from tokser.testing.corpora.librispeech import write_librispeech
    from tokser.testing.demo_material import (
        build_demo_encoders,
        write_demo_corpora,
        write_reproduction_material,
    )
    from tokser.testing.encoders import (
        build_tiny_bert,
        build_tiny_text,
        build_tiny_transcriber,
        build_tiny_wav2vec2,
        build_tiny_wavlm,
        build_tiny_whisper,
    )

__all__ = [
    "build_demo_encoders",
    "build_tiny_bert",
    "build_tiny_text",
    "build_tiny_transcriber",
    "build_tiny_wav2vec2",
    "build_tiny_wavlm",
    "build_tiny_whisper",
    "write_demo_corpora",
    "write_emodb",
    "write_iemocap",
    "write_librispeech",
    "write_reproduction_material",
]

_MODULES = {
    "build_demo_encoders": "demo_material",
    "write_demo_corpora": "demo_material",
    "write_emodb": "corpora.emodb",
    "write_iemocap": "corpora.iemocap",
    "write_librispeech": "corpora.librispeech",
    "write_reproduction_material": "demo_material",
}
"""Where each name is defined, unless it is in `encoders`."""


def __getattr__(name: str) -> Any:
    """Import a public name when it is used: transformers takes seconds."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULES.get(name, 'encoders')}")
    return getattr(module, name)
