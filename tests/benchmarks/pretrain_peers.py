"""How a training step, and an epoch, are done elsewhere."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from tokser.pretrain.batches import Batch, Pairs

Padded = tuple[torch.Tensor, ...]
"""queries, mask of tokens, speech, mask of frames, teacher."""


def padded(batch: Batch, dtype: torch.dtype) -> Padded:
    """Lay a batch out as padded tensors, which a step elsewhere begins with.

    Frames keep the type that they are stored in; queries have that of the products.
    """
    inputs = batch.inputs
    tokens, frames = inputs.num_tokens.tolist(), inputs.num_frames.tolist()
    return _padded(
        [part.to(dtype) for part in inputs.queries.split(tokens)],
        list(inputs.speech[0].split(frames)),
        list(batch.teacher.split(tokens)),
    )


def _padded(queries: list, speech: list, teacher: list) -> Padded:
    lengths = [torch.tensor([len(part) for part in parts]) for parts in (queries, speech)]
    masks = [torch.arange(int(n.max())) < n[:, None] for n in lengths]
    sides = [pad_sequence(parts, batch_first=True) for parts in (queries, speech, teacher)]
    return sides[0], masks[0], sides[1], masks[1], sides[2]


def plain_student(weights: Sequence[nn.Parameter], batch: Padded) -> torch.Tensor:
    """softmax(Q K^T) V, as it is written."""
    queries, of_tokens, speech, of_frames, _ = batch
    speech = speech.to(queries.dtype)
    w_q, w_k, w_v = weights
    scores = (queries @ w_q) @ (speech @ w_k).mT
    attention = scores.masked_fill(~of_frames[:, None], -torch.inf).softmax(-1)
    return (attention @ (speech @ w_v))[of_tokens]


def sdpa_student(weights: Sequence[nn.Parameter], batch: Padded) -> torch.Tensor:
    """The same by torch's own fused attention."""
    queries, of_tokens, speech, of_frames, _ = batch
    speech = speech.to(queries.dtype)
    w_q, w_k, w_v = weights
    context = functional.scaled_dot_product_attention(
        queries @ w_q, speech @ w_k, speech @ w_v, attn_mask=of_frames[:, None], scale=1.0
    )
    return context[of_tokens]


class Files(Dataset):
    """A file per utterance and feature."""

    def __init__(self, folder: Path, ids: Sequence[str]) -> None:
        self._folder, self._ids = folder, list(ids)

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, ...]:
        stem = self._folder / self._ids[place]
        return tuple(
            torch.from_numpy(np.load(f"{stem}.{part}.npy").astype(np.float32))
            for part in ("queries", "speech", "teacher")
        )


def write_files(folder: Path, pairs: Pairs, ids: Sequence[str]) -> None:
    """Write the rows of utterances as the store holds them, a file each."""
    folder.mkdir()
    for name in ids:
        parts = {"queries": pairs.queries, "speech": pairs.speech[0], "teacher": pairs.teacher}
        for part, source in parts.items():
            np.save(folder / f"{name}.{part}.npy", source.ragged([name]).rows)


def file_batches(folder: Path, ids: Sequence[str], batch_size: int) -> Iterator[Padded]:
    """Load shuffled batches with two workers."""
    loader: DataLoader = DataLoader(
        Files(folder, ids),
        batch_size=batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=2,
        collate_fn=lambda items: _padded(*map(list, zip(*items, strict=True))),
        multiprocessing_context="fork",  # no store is open in a worker
    )
    yield from loader
