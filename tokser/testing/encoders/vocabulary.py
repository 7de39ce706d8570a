"""Vocabularies learnt from a few transcripts, the same in every run."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

__all__ = ["learn_byte_pairs", "learn_unigrams", "learn_word_pieces"]

_SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_SPECIAL_MARKS = ["<s>", "<pad>", "</s>", "<unk>"]
_MASK = "<mask>"


def learn_word_pieces(texts: Sequence[str], vocab_size: int, lowercase: bool) -> dict[str, int]:
    """Learn BERT's kind of vocabulary; ids by position, special tokens first."""
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


def learn_byte_pairs(texts: Sequence[str], vocab_size: int) -> tuple[dict[str, int], list[Any]]:
    """Learn RoBERTa's kind: all bytes, and pairs to merge; special tokens first."""
    from tokenizers import Tokenizer
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel
    from tokenizers.trainers import BpeTrainer

    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    trainer = BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[*_SPECIAL_MARKS, _MASK],
        initial_alphabet=sorted(ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    learnt = json.loads(tokenizer.to_str())["model"]
    return learnt["vocab"], [(left, right) for left, right in learnt["merges"]]


def learn_unigrams(texts: Sequence[str], vocab_size: int) -> list[tuple[str, float]]:
    """Count XLM-R's kind: letters and the commonest words, with the logarithm of their share.

    The library's own trainer sums in the order of its threads, and so learns other scores, and
    other pieces, every time.
    """
    words = Counter(f"▁{word}" for text in texts for word in text.split())
    letters = Counter(letter for word in words.elements() for letter in word)
    common = sorted(words, key=lambda word: (-words[word], word))
    room = max(0, vocab_size - len(_SPECIAL_MARKS) - len(letters) - 1)
    counts = {piece: letters[piece] for piece in sorted(letters)}
    counts |= {word: words[word] for word in common[:room]}
    total = letters.total()
    scored = [(piece, math.log(count / total)) for piece, count in counts.items()]
    return [*((mark, 0.0) for mark in _SPECIAL_MARKS), *scored, (_MASK, 0.0)]
