"""Tiny random text encoders with tokenizers of their families' kinds."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from transformers import (
    BertConfig,
    BertModel,
    BertTokenizer,
    DistilBertConfig,
    DistilBertForMaskedLM,
    DistilBertTokenizer,
    PreTrainedTokenizerBase,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaTokenizer,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
    XLMRobertaTokenizer,
)

from tokser.errors import InputError
from tokser.provenance import Stamp, digest_of
from tokser.testing.encoders.building import DIM, FFN_DIM, HEADS, INIT_STD, building
from tokser.testing.encoders.vocabulary import learn_byte_pairs, learn_unigrams, learn_word_pieces

__all__ = ["TextFamily", "build_tiny_bert", "build_tiny_text"]

TextFamily: TypeAlias = Literal["roberta", "xlm-roberta", "distilbert"]

_ROBERTA_POSITIONS = 514
"""512, and 2 that its numbering from the padding token's id on leaves empty."""


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
        folder: Folder of the checkpoint; one with the same settings is kept.
        transcripts: Texts that the vocabulary is learnt from; their order does not matter.
        seed: Determines the weights.
        vocab_size: Word pieces, special tokens included; more only if the letters alone are more.
        lowercase: True for an uncased model, which drops accents as well; False keeps both.

    Raises:
        InputError: There is no text to learn from, or the folder contains other files.
    """
    texts = _sorted_texts(transcripts)
    settings = {"model": "bert", "seed": seed, "vocab_size": vocab_size, "lowercase": lowercase}
    stamp = Stamp("build tiny checkpoint", settings, {"transcripts": digest_of(texts)})
    if stamp.marks(folder):
        return
    vocabulary = learn_word_pieces(texts, vocab_size, lowercase)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=DIM,
        num_hidden_layers=2,
        num_attention_heads=HEADS,
        intermediate_size=FFN_DIM,
        initializer_range=INIT_STD,
        pad_token_id=vocabulary["[PAD]"],
    )
    with building(folder, stamp, seed) as partial:
        BertModel(config).save_pretrained(partial)
        BertTokenizer(
            vocab=vocabulary,
            do_lower_case=lowercase,
            strip_accents=lowercase,
            model_max_length=config.max_position_embeddings,
        ).save_pretrained(partial)


def build_tiny_text(
    folder: Path,
    transcripts: Iterable[str],
    *,
    family: TextFamily,
    seed: int = 0,
    vocab_size: int = 800,
) -> None:
    """Write a random relative of BERT: two layers, 64 wide, its head for masked words.

    Args:
        folder: Folder of the checkpoint; one with the same settings is kept.
        transcripts: Texts that the vocabulary is learnt from; their order does not matter.
        family: `roberta` (byte pairs), `xlm-roberta` (unigrams) or `distilbert` (word pieces,
            uncased).
        seed: Determines the weights.
        vocab_size: Pieces, special tokens included; more only if bytes or letters alone are more.

    Raises:
        InputError: There is no text to learn from, or the folder contains other files.
    """
    texts = _sorted_texts(transcripts)
    settings = {"model": family, "seed": seed, "vocab_size": vocab_size}
    stamp = Stamp("build tiny checkpoint", settings, {"transcripts": digest_of(texts)})
    if stamp.marks(folder):
        return
    tokenizer = _tokenizer(family, texts, vocab_size)
    with building(folder, stamp, seed) as partial:
        _model(family, tokenizer).save_pretrained(partial)
        tokenizer.save_pretrained(partial)


def _tokenizer(
    family: TextFamily, texts: Sequence[str], vocab_size: int
) -> PreTrainedTokenizerBase:
    if family == "roberta":
        vocabulary, merges = learn_byte_pairs(texts, vocab_size)
        return RobertaTokenizer(vocab=vocabulary, merges=merges, model_max_length=512)
    if family == "xlm-roberta":
        return XLMRobertaTokenizer(vocab=learn_unigrams(texts, vocab_size), model_max_length=512)
    pieces = learn_word_pieces(texts, vocab_size, lowercase=True)
    return DistilBertTokenizer(vocab=pieces, do_lower_case=True, model_max_length=512)


def _model(family: TextFamily, tokenizer: PreTrainedTokenizerBase) -> Any:
    common = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    if family == "distilbert":
        config = DistilBertConfig(
            **common,
            dim=DIM,
            n_layers=2,
            n_heads=HEADS,
            hidden_dim=FFN_DIM,
            initializer_range=INIT_STD,
        )
        return DistilBertForMaskedLM(config)
    settings = common | {
        "hidden_size": DIM,
        "num_hidden_layers": 2,
        "num_attention_heads": HEADS,
        "intermediate_size": FFN_DIM,
        "initializer_range": INIT_STD,
        "max_position_embeddings": _ROBERTA_POSITIONS,
        "type_vocab_size": 1,
    }
    if family == "roberta":
        return RobertaForMaskedLM(RobertaConfig(**settings))
    return XLMRobertaForMaskedLM(XLMRobertaConfig(**settings))


def _sorted_texts(transcripts: Iterable[str]) -> list[str]:
    texts = sorted(transcripts)
    if not any(text.strip() for text in texts):
        raise InputError(
            "transcripts",
            expected="some text to learn word pieces from",
            got=f"{len(texts)} empty transcripts",
            remedy="Give the transcripts of a corpus.",
        )
    return texts
