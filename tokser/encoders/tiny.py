"""Tiny random checkpoints in the Hugging Face layout, to run everything without a download."""

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizer,
    Wav2Vec2FeatureExtractor,
    WavLMConfig,
    WavLMModel,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

from tokser.encoders.checkpoint import quiet_transformers
from tokser.errors import InputError
from tokser.provenance import Stamp, digest_of

__all__ = ["build_tiny_bert", "build_tiny_wavlm", "build_tiny_whisper"]

_DIM = 64
_HEADS = 2
_FFN_DIM = 128
# 1/sqrt(64) keeps the variance from layer to layer; with the usual 0.02, so narrow a model gives
# nearly the same activations whatever it is given.
_INIT_STD = 0.125
_SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def build_tiny_whisper(folder: Path, *, seed: int = 0) -> None:
    """Write a random Whisper of two layers, 64 wide, with the real front end and context.

    Args:
        folder: Folder of the checkpoint; one that was built from the same seed stays.
        seed: Determines the weights.

    Raises:
        InputError: The folder holds something else.
    """
    stamp = Stamp("build tiny checkpoint", {"model": "whisper", "seed": seed}, {})
    if stamp.marks(folder):
        return
    config = WhisperConfig(
        vocab_size=32,
        d_model=_DIM,
        encoder_layers=2,
        decoder_layers=1,
        encoder_attention_heads=_HEADS,
        decoder_attention_heads=_HEADS,
        encoder_ffn_dim=_FFN_DIM,
        decoder_ffn_dim=_FFN_DIM,
        num_mel_bins=80,
        max_source_positions=1500,
        max_target_positions=16,
        init_std=_INIT_STD,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=1,
        decoder_start_token_id=2,
        begin_suppress_tokens=None,
    )
    with _building(folder, stamp, seed) as partial:
        WhisperForConditionalGeneration(config).save_pretrained(partial)
        WhisperFeatureExtractor(feature_size=80).save_pretrained(partial)


def build_tiny_wavlm(folder: Path, *, seed: int = 0, layer_norm: bool = False) -> None:
    """Write a random WavLM of three layers, 64 wide, with the real kernels and strides.

    Args:
        folder: Folder of the checkpoint; one that was built from the same settings stays.
        seed: Determines the weights.
        layer_norm: False for the style of the base models (group norm over time, waveforms as
            they are), True for that of the large one (layer norm, normalised waveforms).

    Raises:
        InputError: The folder holds something else.
    """
    settings = {"model": "wavlm", "seed": seed, "layer_norm": layer_norm}
    stamp = Stamp("build tiny checkpoint", settings, {})
    if stamp.marks(folder):
        return
    config = WavLMConfig(
        hidden_size=_DIM,
        num_hidden_layers=3,
        num_attention_heads=_HEADS,
        intermediate_size=_FFN_DIM,
        initializer_range=_INIT_STD,
        conv_dim=(32,) * 7,
        conv_kernel=(10, 3, 3, 3, 3, 2, 2),
        conv_stride=(5, 2, 2, 2, 2, 2, 2),
        conv_bias=False,
        feat_extract_norm="layer" if layer_norm else "group",
        do_stable_layer_norm=layer_norm,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
    )
    with _building(folder, stamp, seed) as partial:
        WavLMModel(config).save_pretrained(partial)
        Wav2Vec2FeatureExtractor(
            do_normalize=layer_norm, return_attention_mask=layer_norm
        ).save_pretrained(partial)


def build_tiny_bert(
    folder: Path,
    transcripts: Iterable[str],
    *,
    seed: int = 0,
    vocab_size: int = 800,
    lowercase: bool = True,
) -> None:
    """Write a random BERT of two layers, 64 wide, with word pieces learnt from transcripts.

    Args:
        folder: Folder of the checkpoint; one that was built from the same settings stays.
        transcripts: Texts that the vocabulary is learnt from; their order does not matter.
        seed: Determines the weights.
        vocab_size: Word pieces, special tokens included; more only if the letters alone are more.
        lowercase: True for an uncased model, which drops accents as well; False keeps both.

    Raises:
        InputError: There is no text to learn from, or the folder holds something else.
    """
    texts = sorted(transcripts)
    if not any(text.strip() for text in texts):
        raise InputError(
            "transcripts",
            expected="some text to learn word pieces from",
            got=f"{len(texts)} empty transcripts",
            remedy="Give the transcripts of a corpus.",
        )
    settings = {"model": "bert", "seed": seed, "vocab_size": vocab_size, "lowercase": lowercase}
    stamp = Stamp("build tiny checkpoint", settings, {"transcripts": digest_of(texts)})
    if stamp.marks(folder):
        return
    vocabulary = _learn_word_pieces(texts, vocab_size, lowercase)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=_DIM,
        num_hidden_layers=2,
        num_attention_heads=_HEADS,
        intermediate_size=_FFN_DIM,
        initializer_range=_INIT_STD,
        pad_token_id=vocabulary["[PAD]"],
    )
    with _building(folder, stamp, seed) as partial:
        BertModel(config).save_pretrained(partial)
        BertTokenizer(
            vocab=vocabulary,
            do_lower_case=lowercase,
            strip_accents=lowercase,
            model_max_length=config.max_position_embeddings,
        ).save_pretrained(partial)


def _learn_word_pieces(texts: list[str], vocab_size: int, lowercase: bool) -> dict[str, int]:
    """Learn a WordPiece vocabulary; ids by position, special tokens first."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.trainers import WordPieceTrainer

    tokenizer = Tokenizer(WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=lowercase, strip_accents=lowercase)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    letters = sorted(set("".join(tokenizer.normalizer.normalize_str(" ".join(texts)).split())))
    # The trainer numbers pieces that continue a word as its hash map meets them, and breaks ties
    # by number: named beforehand, they have the same numbers in every run.
    pieces = [*letters, *(f"##{letter}" for letter in letters)]
    trainer = WordPieceTrainer(
        vocab_size=vocab_size,
        min_frequency=1,
        special_tokens=[*_SPECIAL_TOKENS, *pieces],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    learnt: dict[str, int] = tokenizer.get_vocab()
    return dict(sorted(learnt.items(), key=lambda piece: piece[1]))


@contextlib.contextmanager
def _building(folder: Path, stamp: Stamp, seed: int) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `folder` when the block is through.

    Weights drawn within the block depend on the seed only, and the caller's generator stays as
    it was.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InputError(
            folder,
            expected=f"an empty folder, or the checkpoint of {stamp.content['settings']}",
            got="other files",
            remedy="Name another folder, or remove this one.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
        partial = Path(scratch) / folder.name
        with torch.random.fork_rng(devices=[]), quiet_transformers():
            torch.default_generator.manual_seed(seed)
            yield partial
        stamp.write(partial)
        partial.replace(folder)
