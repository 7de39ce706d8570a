"""A tiny random Whisper that writes: decoder, tokenizer and settings for generation included."""

import json
from pathlib import Path
from typing import Any

import torch
from transformers import (
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

from tokser.provenance import Stamp
from tokser.testing.encoders.building import DIM, FFN_DIM, HEADS, INIT_STD, building

__all__ = ["build_tiny_transcriber"]

_LANGUAGES = ("en", "de", "pl")
_NUM_TIMES = 1501
_LETTERS = " abcdefghijklmnopqrstuvwxyz"
_END = "<|endoftext|>"


def build_tiny_transcriber(folder: Path, *, seed: int = 0) -> None:
    """Write a random Whisper, 64 wide, that writes small letters of no meaning.

    Args:
        folder: Folder of the checkpoint; one with the same settings is kept.
        seed: Determines the weights.

    Raises:
        InputError: The folder contains other files.
    """
    stamp = Stamp("build tiny checkpoint", {"model": "whisper transcriber", "seed": seed}, {})
    if stamp.marks(folder):
        return
    vocabulary, special = _vocabulary()
    numbers = {**vocabulary, **special}
    end, start = numbers[_END], numbers["<|startoftranscript|>"]
    ends: dict[str, Any] = {"bos_token_id": end, "eos_token_id": end, "pad_token_id": end}
    config = WhisperConfig(
        vocab_size=len(numbers),
        d_model=DIM,
        encoder_layers=2,
        decoder_layers=1,
        encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS,
        encoder_ffn_dim=FFN_DIM,
        decoder_ffn_dim=FFN_DIM,
        max_target_positions=24,
        init_std=INIT_STD,
        decoder_start_token_id=start,
        begin_suppress_tokens=None,
        **ends,
    )
    with building(folder, stamp, seed) as partial:
        model = WhisperForConditionalGeneration(config)
        with torch.no_grad():  # a random model would write times, of which there are the most
            model.model.decoder.embed_tokens.weight[len(vocabulary) + 1 :] *= 0.1
        model.save_pretrained(partial)
        WhisperFeatureExtractor().save_pretrained(partial)
        _write_tokenizer(partial, vocabulary, special)
        generation = {
            "decoder_start_token_id": start,
            "is_multilingual": True,
            "lang_to_id": {f"<|{name}|>": numbers[f"<|{name}|>"] for name in _LANGUAGES},
            "task_to_id": {task: numbers[f"<|{task}|>"] for task in ("transcribe", "translate")},
            "no_timestamps_token_id": numbers["<|notimestamps|>"],
            "prev_sot_token_id": numbers["<|startofprev|>"],
            "max_initial_timestamp_index": 50,
            "max_length": 24,
            "return_timestamps": False,
            "suppress_tokens": _silenced(vocabulary, special),
            **ends,
        }
        text = json.dumps(generation, indent=1)
        (partial / "generation_config.json").write_text(text, encoding="utf-8")


def _vocabulary() -> tuple[dict[str, int], dict[str, int]]:
    """Return all bytes, and Whisper's special tokens after them, in its order."""
    from tokenizers.pre_tokenizers import ByteLevel

    letters = {letter: number for number, letter in enumerate(sorted(ByteLevel.alphabet()))}
    names = [_END, "<|startoftranscript|>", *(f"<|{name}|>" for name in _LANGUAGES)]
    names += ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>"]
    names += ["<|nospeech|>", "<|notimestamps|>"]
    names += [f"<|{0.02 * number:.2f}|>" for number in range(_NUM_TIMES)]
    return letters, {name: len(letters) + number for number, name in enumerate(names)}


def _silenced(vocabulary: dict[str, int], special: dict[str, int]) -> list[int]:
    """Return the tokens that are never written: bytes that are no small letters, marks."""
    spoken = {"Ġ" if letter == " " else letter for letter in _LETTERS}
    marks = [n for name, n in special.items() if name != _END and not name[2:3].isdigit()]
    return [n for name, n in vocabulary.items() if name not in spoken] + marks


def _write_tokenizer(folder: Path, vocabulary: dict[str, int], special: dict[str, int]) -> None:
    from tokenizers import AddedToken, Tokenizer
    from tokenizers.decoders import ByteLevel as Decoder
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel

    tokenizer: Any = Tokenizer(BPE(vocabulary, []))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = Decoder()
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in special])
    tokenizer.save(str(folder / "tokenizer.json"))
    about = {"tokenizer_class": "WhisperTokenizer", "model_max_length": 1024}
    about |= {f"{name}_token": _END for name in ("bos", "eos", "unk", "pad")}
    texts = {
        "tokenizer_config.json": json.dumps(about),
        "vocab.json": json.dumps(vocabulary),
        "merges.txt": "#version: 0.2\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
