"""BERT: word-embedding rows as queries T, final-layer activations as teacher B."""

import functools
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoTokenizer, BertModel

from tokser.encoders.base import Activations
from tokser.encoders.checkpoint import Checkpoint, load_weights, quiet_transformers
from tokser.provenance import digest_of

__all__ = ["BertTextEncoder"]


class BertTextEncoder:
    """Any BERT, of one language or many.

    A transcript all in capitals, as LibriSpeech writes them, carries no case: it is put into
    lower case, or a cased vocabulary would spell it letter by letter.

    Source: report, section 3.2.
    """

    kind: Literal["text"] = "text"

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        self._checkpoint, self._device = checkpoint, device
        self.name = checkpoint.name
        self.dim = int(checkpoint.config["hidden_size"])
        self.num_layers = int(checkpoint.config["num_hidden_layers"])
        self.max_tokens = int(checkpoint.config["max_position_embeddings"])

    @functools.cached_property
    def _model(self) -> BertModel:
        return load_weights(BertModel, self._checkpoint, self._device, add_pooling_layer=False)

    @functools.cached_property
    def _tokenizer(self) -> Any:
        with quiet_transformers():
            return AutoTokenizer.from_pretrained(self._checkpoint.folder)

    def provenance(self) -> dict[str, Any]:
        """Model, weights and tokenizer."""
        return {
            "model": self.name,
            "model_type": "bert",
            "revision": self._checkpoint.revision,
            "weights_sha256": self._checkpoint.weights_sha256(),
            "precision": "float32",
            "tokenizer_digest": digest_of(self._tokenizer.backend_tokenizer.to_str()),
            "special_token_ids": [self._tokenizer.cls_token_id, self._tokenizer.sep_token_id],
            "capitals_only_transcripts": "lower case",
        }

    def tokenize(self, transcripts: Sequence[str]) -> list[NDArray[np.int32]]:
        """Return [CLS], word pieces, [SEP] of each transcript."""
        texts = [text.lower() if text.isupper() else text for text in transcripts]
        with quiet_transformers():  # sequences beyond max_tokens are the caller's to refuse
            encoded = self._tokenizer(texts, add_special_tokens=True)["input_ids"]
        return [np.asarray(ids, dtype=np.int32) for ids in encoded]

    @torch.inference_mode()
    def encode(
        self, token_ids: Sequence[NDArray[np.int32]], layers: Sequence[int]
    ) -> list[Activations]:
        """Run one forward pass over padded sequences; padding is masked and dropped."""
        longest = max(len(ids) for ids in token_ids)
        padded = torch.full((len(token_ids), longest), int(self._tokenizer.pad_token_id))
        mask = torch.zeros_like(padded)
        for row, ids in enumerate(token_ids):
            padded[row, : len(ids)] = torch.from_numpy(ids)
            mask[row, : len(ids)] = 1
        output = self._model(
            padded.to(self._device),
            attention_mask=mask.to(self._device),
            output_hidden_states=True,
        )
        hidden = {layer: output.hidden_states[layer].cpu().numpy() for layer in layers}
        return [
            {layer: states[row, : len(ids)] for layer, states in hidden.items()}
            for row, ids in enumerate(token_ids)
        ]

    def word_embeddings(self, token_ids: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the rows [ids, dim] of the word-embedding table."""
        table = self._model.get_input_embeddings().weight
        rows = table[torch.from_numpy(token_ids).long().to(table.device)]
        return np.asarray(rows.cpu().numpy(), dtype=np.float32)
