"""Tiny random speech models of families that `encoders.generic` probes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import transformers

from tokser.provenance import Stamp
from tokser.testing.encoders.building import DIM, FFN_DIM, HEADS, INIT_STD, building

__all__ = ["OTHER_FAMILIES", "build_tiny_speech"]

_BLOCKS: dict[str, Any] = {
    "hidden_size": DIM,
    "num_hidden_layers": 2,
    "num_attention_heads": HEADS,
    "intermediate_size": FFN_DIM,
    "initializer_range": INIT_STD,
}
_POSITIONS = {"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}
_LIKE_WAV2VEC2 = _BLOCKS | _POSITIONS | {"conv_dim": (32,) * 7}
_LAYER_NORM = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
_LIKE_SEW = _BLOCKS | _POSITIONS | {"conv_dim": (16,) * 13, "squeeze_factor": 2}
_OF_SPEECH_TO_TEXT: dict[str, Any] = {
    "vocab_size": 20,
    "d_model": DIM,
    "encoder_layers": 2,
    "decoder_layers": 1,
    "encoder_attention_heads": HEADS,
    "decoder_attention_heads": HEADS,
    "encoder_ffn_dim": FFN_DIM,
    "decoder_ffn_dim": FFN_DIM,
    "conv_channels": 32,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_OF_CLAP: dict[str, Any] = {
    "audio_config": {
        "spec_size": 256,
        "patch_embeds_hidden_size": 16,
        "hidden_size": 128,
        "depths": [1, 1, 1, 1],
        "num_attention_heads": [1, 2, 2, 4],
        "projection_dim": 32,
    },
    "text_config": {
        "vocab_size": 20,
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    },
    "projection_dim": 32,
}

OTHER_FAMILIES: dict[str, tuple[str, dict[str, Any], str, dict[str, Any]]] = {
    "sew": ("SEW", _LIKE_SEW, "Wav2Vec2", {}),
    "sew-d": ("SEWD", _LIKE_SEW, "Wav2Vec2", {}),
    "unispeech": ("UniSpeech", _LIKE_WAV2VEC2, "Wav2Vec2", {}),
    "unispeech-sat": ("UniSpeechSat", _LIKE_WAV2VEC2, "Wav2Vec2", {}),
    "unispeech-sat-large": (
        "UniSpeechSat",
        _LIKE_WAV2VEC2 | _LAYER_NORM,
        "Wav2Vec2",
        {"return_attention_mask": True},
    ),
    "wav2vec2-conformer": ("Wav2Vec2Conformer", _LIKE_WAV2VEC2, "Wav2Vec2", {}),
    "wav2vec2-bert": (
        "Wav2Vec2Bert",
        _BLOCKS | {"feature_projection_input_dim": 160},
        "SeamlessM4T",
        {},
    ),
    "speech-to-text": ("Speech2Text", _OF_SPEECH_TO_TEXT, "Speech2Text", {}),
    "ast": ("AST", _BLOCKS, "AST", {}),
    "clap": ("Clap", _OF_CLAP, "Clap", {"truncation": "rand_trunc", "padding": "repeatpad"}),
}
"""Model class and its settings, preprocessor and its settings, by the name of the checkpoint."""


def build_tiny_speech(folder: Path, *, family: str, seed: int = 0) -> None:
    """Write a random speech model of a few narrow blocks with its real front end.

    Args:
        folder: Folder of the checkpoint; one with the same settings is kept.
        family: One of `OTHER_FAMILIES`.
        seed: Determines the weights.

    Raises:
        InputError: The folder contains other files.
    """
    model, settings, preprocessor, options = OTHER_FAMILIES[family]
    stamp = Stamp("build tiny checkpoint", {"model": family, "seed": seed}, {})
    if stamp.marks(folder):
        return
    config: Any = _class(f"{model}Config")(**settings)
    with building(folder, stamp, seed) as partial:
        _class(f"{model}Model")(config).save_pretrained(partial)
        _class(f"{preprocessor}FeatureExtractor")(**options).save_pretrained(partial)


def _class(name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(transformers, name)
    return found
