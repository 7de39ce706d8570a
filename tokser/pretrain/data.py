"""Batches of the train and the dev part, for Lightning."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import lightning
import torch

from tokser.config import PretrainSettings
from tokser.pretrain.batches import Batch, DevBatch, Pairs
from tokser.pretrain.distributed_loss import num_ranks, this_rank
from tokser.pretrain.order import bucketed_batches, in_order, part_of, shard_batches
from tokser.pretrain.prefetch import Prefetch

__all__ = ["Batches"]


class Batches(lightning.LightningDataModule):
    """Batches of the train and dev part; each process gets its share of every batch.

    Args:
        pairs: Where the rows are.
        train: Utterances to train on.
        mismatched: Dev utterances, and whose speech each of them gets as mismatched speech.
        settings: Size, order and seed.
        shard_of: Shard of each utterance's speech; needed where whole shards are shuffled.
        pins: Whether batches are moved into page-locked memory.
    """

    def __init__(
        self,
        pairs: Pairs,
        train: Sequence[str],
        mismatched: Mapping[str, str],
        settings: PretrainSettings,
        shard_of: Mapping[str, int] | None = None,
        *,
        pins: bool = False,
    ) -> None:
        super().__init__()
        self._pairs, self._settings = pairs, settings
        self._mismatched = dict(mismatched)
        self.train_ids, self._shard_of = list(train), shard_of or {}
        self._pins = pins
        self._num_frames = pairs.num_frames.to_dict()

    @property
    def dev(self) -> list[str]:
        """Utterances of the dev part."""
        return sorted(self._mismatched)

    @cached_property
    def num_batches(self) -> int:
        """Batches of every epoch."""
        return len(self.plan(0))

    def train_dataloader(self) -> Prefetch[Batch]:
        """Batches of an epoch, each epoch in an order of its own."""
        return Prefetch(
            self.plan, self._gather, lambda: self.trainer.current_epoch if self.trainer else 0
        )

    def val_dataloader(self) -> Prefetch[DevBatch]:
        """Batches of the dev part, always the same, with matched and mismatched speech."""
        batches = list(in_order(self.dev, self._settings.batch_size))
        return Prefetch(lambda epoch: part_of(batches, this_rank(), num_ranks()), self._gather_dev)

    def plan(self, epoch: int) -> list[list[str]]:
        """Return the utterances of every batch of an epoch, this process's share of them."""
        settings = self._settings
        # The size of a batch is that of all processes together.
        options = {"batch_size": settings.batch_size, "seed": settings.seed, "epoch": epoch}
        if settings.order == "shards":
            batches = shard_batches(
                self.train_ids,
                self._num_frames,
                self._shard_of,
                shards_at_once=settings.shards_at_once,
                **options,
            )
        else:
            batches = bucketed_batches(self.train_ids, self._num_frames, **options)
        return part_of(batches, this_rank(), num_ranks())

    def _gather(self, ids: Sequence[str]) -> Batch:
        batch = self._pairs.gather(ids)
        return batch.pin_memory() if self._pins else batch

    def _gather_dev(self, ids: Sequence[str]) -> DevBatch:
        return DevBatch(self._pairs.gather(ids), self._pairs.gather(ids, self._mismatched))

    def transfer_batch_to_device(
        self, batch: Batch | DevBatch, device: torch.device, dataloader_idx: int
    ) -> Batch | DevBatch:
        """Move a batch's tensors."""
        return batch.to(device)
