"""Synthetic corpora, tiny random encoders and demo material, for tests here and elsewhere.

Everything is small, is made without a download, and has the same bytes on every machine. Only
`tokser demo` and tests use it.
"""

from typing import TYPE_CHECKING

from tokser.lazy_names import lazy_names

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

_HOMES = {
    "build_demo_encoders": "demo_material",
    "build_tiny_bert": "encoders",
    "build_tiny_text": "encoders",
    "build_tiny_transcriber": "encoders",
    "build_tiny_wav2vec2": "encoders",
    "build_tiny_wavlm": "encoders",
    "build_tiny_whisper": "encoders",
    "write_demo_corpora": "demo_material",
    "write_emodb": "corpora.emodb",
    "write_iemocap": "corpora.iemocap",
    "write_librispeech": "corpora.librispeech",
    "write_reproduction_material": "demo_material",
}
"""Where a name is defined; transformers, which encoders need, takes seconds to import."""

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
