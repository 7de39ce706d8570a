"""Tiny random speech encoders with the real front ends."""

from pathlib import Path
from typing import Any, Literal, TypeAlias

from transformers import (
    Data2VecAudioConfig,
    Data2VecAudioModel,
    HubertConfig,
    HubertModel,
    PreTrainedConfig,
    PreTrainedModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForPreTraining,
    WavLMConfig,
    WavLMModel,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

from tokser.provenance import Stamp
from tokser.testing.encoders.building import DIM, FFN_DIM, HEADS, INIT_STD, building

__all__ = ["WaveformFamily", "build_tiny_wav2vec2", "build_tiny_wavlm", "build_tiny_whisper"]

WaveformFamily: TypeAlias = Literal["wavlm", "hubert", "wav2vec2", "data2vec-audio"]

# Each with the heads that its published checkpoints have.
_CLASSES: dict[str, tuple[type[PreTrainedConfig], type[PreTrainedModel]]] = {
    "wavlm": (WavLMConfig, WavLMModel),
    "hubert": (HubertConfig, HubertModel),
    "wav2vec2": (Wav2Vec2Config, Wav2Vec2ForPreTraining),
    "data2vec-audio": (Data2VecAudioConfig, Data2VecAudioModel),
}


def build_tiny_whisper(
    folder: Path, *, seed: int = 0, num_mel_bins: int = 80, num_layers: int = 2
) -> None:
    """Write a random Whisper, 64 wide, with the real front end and context.

    Args:
        folder: Folder of the checkpoint; one with the same settings is kept.
        seed: Determines the weights.
        num_mel_bins: 80, or 128 as in large-v3 and turbo.
        num_layers: Blocks of the encoder.

    Raises:
        InputError: The folder contains other files.
    """
    settings: dict[str, Any] = {"model": "whisper", "seed": seed}
    if num_mel_bins != 80:
        settings["num_mel_bins"] = num_mel_bins
    if num_layers != 2:
        settings["num_layers"] = num_layers
    stamp = Stamp("build tiny checkpoint", settings, {})
    if stamp.marks(folder):
        return
    config = WhisperConfig(
        vocab_size=32,
        d_model=DIM,
        encoder_layers=num_layers,
        decoder_layers=1,
        encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS,
        encoder_ffn_dim=FFN_DIM,
        decoder_ffn_dim=FFN_DIM,
        num_mel_bins=num_mel_bins,
        max_source_positions=1500,
        max_target_positions=16,
        init_std=INIT_STD,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=1,
        decoder_start_token_id=2,
        begin_suppress_tokens=None,
    )
    with building(folder, stamp, seed) as partial:
        WhisperForConditionalGeneration(config).save_pretrained(partial)
        WhisperFeatureExtractor(feature_size=num_mel_bins).save_pretrained(partial)


def build_tiny_wavlm(folder: Path, *, seed: int = 0, layer_norm: bool = False) -> None:
    """Write a random WavLM; see `build_tiny_wav2vec2`."""
    build_tiny_wav2vec2(folder, family="wavlm", seed=seed, layer_norm=layer_norm)


def build_tiny_wav2vec2(
    folder: Path,
    *,
    family: WaveformFamily = "wav2vec2",
    seed: int = 0,
    layer_norm: bool = False,
) -> None:
    """Write a random encoder of three layers, 64 wide, with the real kernels and strides.

    Args:
        folder: Folder of the checkpoint; one with the same settings is kept.
        family: Which of the encoders that are built like wav2vec 2.0.
        seed: Determines the weights.
        layer_norm: False for the style of the base models (group norm over time), True for that
            of the large ones and XLS-R (layer norm). data2vec-audio has layer norm always.

    Raises:
        InputError: The folder contains other files.
    """
    stamp = Stamp(
        "build tiny checkpoint", {"model": family, "seed": seed, "layer_norm": layer_norm}, {}
    )
    if stamp.marks(folder):
        return
    config_class, model_class = _CLASSES[family]
    config: Any = config_class(**_waveform_settings(family, layer_norm))
    normalised = layer_norm or family != "wavlm"
    with building(folder, stamp, seed) as partial:
        model_class(config).save_pretrained(partial)
        Wav2Vec2FeatureExtractor(
            do_normalize=normalised, return_attention_mask=layer_norm
        ).save_pretrained(partial)


def _waveform_settings(family: WaveformFamily, layer_norm: bool) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "hidden_size": DIM,
        "num_hidden_layers": 3,
        "num_attention_heads": HEADS,
        "intermediate_size": FFN_DIM,
        "initializer_range": INIT_STD,
        "conv_dim": (32,) * 7,
        "conv_kernel": (10, 3, 3, 3, 3, 2, 2),
        "conv_stride": (5, 2, 2, 2, 2, 2, 2),
        "conv_bias": False,
        "num_conv_pos_embedding_groups": 4,
    }
    if family == "data2vec-audio":
        return settings
    if family == "wav2vec2":  # the quantiser that pretraining leaves in checkpoints
        settings |= {
            "codevector_dim": 16,
            "proj_codevector_dim": 16,
            "num_codevectors_per_group": 8,
        }
    return settings | {
        "feat_extract_norm": "layer" if layer_norm else "group",
        "do_stable_layer_norm": layer_norm,
        "num_conv_pos_embeddings": 16,
    }
