"""BERT and its relatives: word-embedding rows as queries T, the last layer as teacher B."""

import functools
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    AutoConfig,
    BertModel,
    DistilBertModel,
    PreTrainedModel,
    RobertaModel,
    XLMRobertaModel,
)

from tokser.encoders.arithmetic import Arithmetic
from tokser.encoders.base import Activations, StoredDtype
from tokser.encoders.batch_shapes import fixed_shape_batches
from tokser.encoders.checkpoint import Checkpoint, quiet_transformers
from tokser.encoders.fetch_activations import DeviceOutput
from tokser.encoders.model_files import load_tokenizer, reading
from tokser.encoders.upper_blocks import UpperBlocks, require_blocks_above
from tokser.encoders.weights import load_weights
from tokser.errors import CheckpointError, list_some
from tokser.provenance import digest_of

__all__ = ["BertTextEncoder"]

_NO_POOLER: dict[str, Any] = {"add_pooling_layer": False}
_CLASSES: dict[str, tuple[type[PreTrainedModel], dict[str, Any]]] = {
    "bert": (BertModel, _NO_POOLER),
    "roberta": (RobertaModel, _NO_POOLER),
    "xlm-roberta": (XLMRobertaModel, _NO_POOLER),
    "distilbert": (DistilBertModel, {}),
}
ROWS_ON_DEVICE = 16
"""Sequences of a batch on a GPU. On a CPU one sequence keeps all cores busy."""

_COUNT_FROM_PADDING = ("roberta", "xlm-roberta")
"""Families whose first position has the number after the padding token's id."""


class BertTextEncoder:
    """BERT, RoBERTa, XLM-R and DistilBERT, of one language or many.

    Equal transcripts have equal bits, whatever they are encoded with: see `fixed_shape_batches`.
    A transcript all in capitals, as LibriSpeech writes them, carries no case: it is put into
    lower case, or a cased vocabulary would spell it letter by letter.

    Source: paper, section 3.2.
    """

    kind: Literal["text"] = "text"
    separate_last = False

    def __init__(self, checkpoint: Checkpoint, arithmetic: Arithmetic) -> None:
        self._checkpoint, self._arithmetic = checkpoint, arithmetic
        config = AutoConfig.from_pretrained(checkpoint.folder, trust_remote_code=False)
        self._family = str(checkpoint.config["model_type"])
        self.name = checkpoint.name
        self.dim = int(config.hidden_size)
        self.num_layers = int(config.num_hidden_layers)
        self._num_embeddings = int(config.vocab_size)
        self.max_tokens = int(config.max_position_embeddings)
        if self._family in _COUNT_FROM_PADDING:
            self.max_tokens -= int(config.pad_token_id) + 1

    @functools.cached_property
    def _model(self) -> Any:
        model_class, options = _CLASSES[self._family]
        return self._arithmetic.prepare(load_weights(model_class, self._checkpoint, **options))

    @functools.cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(self._checkpoint)

    def provenance(self) -> dict[str, Any]:
        """Model, weights and tokenizer."""
        return {
            "model": self.name,
            "model_type": self._family,
            "revision": self._checkpoint.revision,
            "weights_sha256": self._checkpoint.weights_sha256(),
            "precision": self._arithmetic.name,
            "tokenizer_digest": digest_of(self._tokenizer.backend_tokenizer.to_str()),
            "special_token_ids": [self._tokenizer.cls_token_id, self._tokenizer.sep_token_id],
            "capitals_only_transcripts": "lower case",
        }

    def tokenize(self, transcripts: Sequence[str]) -> list[NDArray[np.int32]]:
        """Return [CLS], word pieces, [SEP] of each transcript, or <s>, pieces, </s>."""
        texts = [text.lower() if text.isupper() else text for text in transcripts]
        # Sequences above max_tokens are quarantined by `count_tokens`.
        with reading(self._checkpoint, "a tokenizer that can be run"), quiet_transformers():
            encoded = self._tokenizer(texts, add_special_tokens=True)["input_ids"]
        self._refuse_unembedded({token for ids in encoded for token in ids})
        return [np.asarray(ids, dtype=np.int32) for ids in encoded]

    @property
    def unknown_token_id(self) -> int:
        """Token id of a word that the vocabulary cannot spell."""
        return int(self._tokenizer.unk_token_id)

    def _refuse_unembedded(self, token_ids: set[int]) -> None:
        """Raise if the tokenizer has tokens, which occur, that the model has no embedding of."""
        beyond = sorted(token for token in token_ids if token >= self._num_embeddings)
        if beyond:
            texts = self._tokenizer.convert_ids_to_tokens(beyond)
            raise CheckpointError(
                self._checkpoint.folder,
                expected=f"token ids below the model's {self._num_embeddings} embeddings",
                got=list_some([f"{t!r} ({n})" for t, n in zip(texts, beyond, strict=True)]),
                remedy="Use the tokenizer that was published with these weights. If tokens were "
                "added to it, call `model.resize_token_embeddings` and train the new embeddings.",
            )

    def encode(
        self, token_ids: Sequence[NDArray[np.int32]], layers: Sequence[int]
    ) -> list[Activations]:
        """Encode sequences; the activations of one do not depend on the others, to the bit."""
        return self.forward(self.prepare(token_ids), layers).fetch()

    def prepare(self, inputs: Sequence[NDArray[np.int32]]) -> "Sequences":
        """Put token ids into batches of one shape each, every distinct sequence once."""
        rows = 1 if self._arithmetic.device.type == "cpu" else ROWS_ON_DEVICE
        batches, found = fixed_shape_batches(inputs, rows)
        staged = [self._arithmetic.pin(torch.from_numpy(batch).long()) for batch in batches]
        return Sequences(staged, found, [len(one) for one in inputs])

    def forward(
        self, prepared: "Sequences", layers: Sequence[int], dtype: StoredDtype = "float32"
    ) -> DeviceOutput:
        """Run the model on each batch of token ids."""
        parts: dict[int, list[torch.Tensor]] = {layer: [] for layer in layers}
        with self._arithmetic.inference():
            for batch in prepared.batches:
                output = self._model(self._arithmetic.to_device(batch), output_hidden_states=True)
                for layer, rows in parts.items():
                    rows.extend(output.hidden_states[layer])
        states = {layer: pad_sequence(rows, batch_first=True) for layer, rows in parts.items()}
        cuts = [[cut] for cut in zip(prepared.rows, prepared.lengths, strict=True)]
        return DeviceOutput(states, cuts, dtype)

    def upper_blocks(self, first: int) -> UpperBlocks:
        """Return the blocks above a layer, to be trained.

        Raises:
            SettingsError: There are none above it.
        """
        require_blocks_above(self, first)
        is_distilled = self._family == "distilbert"
        encoder = self._model.transformer if is_distilled else self._model.encoder
        return UpperBlocks(encoder.layer[first:], first=first)

    def word_embeddings(self, token_ids: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the rows [ids, dim] of the word-embedding table."""
        table = self._model.get_input_embeddings().weight
        rows = table[torch.from_numpy(token_ids).long().to(table.device)]
        return np.asarray(rows.cpu().numpy(), dtype=np.float32)

    def token_texts(self, token_ids: NDArray[np.int32]) -> list[str]:
        """Return the text of each token id, as the vocabulary spells it."""
        return [str(text) for text in self._tokenizer.convert_ids_to_tokens(token_ids.tolist())]


class Sequences(NamedTuple):
    """Token ids in batches, ready for the model."""

    batches: list[torch.Tensor]
    """[rows, tokens] each."""
    rows: list[int]
    """Row of each sequence, all batches counted through."""
    lengths: list[int]
    """Tokens of each sequence."""
