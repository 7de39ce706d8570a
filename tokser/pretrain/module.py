"""The aligner as Lightning trains it: loss, validation, controls."""

from collections.abc import Callable

import lightning
import torch
from torch import Tensor

from tokser.errors import RunError, list_some
from tokser.pretrain.aligner import Aligner
from tokser.pretrain.batches import Batch, DevBatch
from tokser.pretrain.contrastive import token_contrastive_loss
from tokser.pretrain.retrieval import find_equal, retrieve, within_utterance_match_rate

__all__ = ["HEADLINE", "AlignerModule"]

HEADLINE = "dev_match_rate"
"""What chooses the best epoch: the 1-NN match rate over the whole dev part."""


class AlignerModule(lightning.LightningModule):
    """Trains an aligner, and validates it beside an utterance that hears the wrong speech.

    Args:
        aligner: What is trained.
        temperature: tau of the loss.
        learning_rate: Of Adam.
        require_finite: Raises, naming the utterance, if a batch's rows are not finite; asked where
            something went wrong.

    Attributes:
        scores: Scores of the last validation, by name.

    Source: report, section 4.3. Departs: the rate is taken over the whole dev part, with the
    shuffled-speech control beside it; within an utterance it says little about speech.
    """

    def __init__(
        self,
        aligner: Aligner,
        temperature: float,
        learning_rate: float,
        require_finite: Callable[[Batch], None] = lambda batch: None,
    ) -> None:
        super().__init__()
        self.aligner = aligner
        self.scores: dict[str, float] = {}
        self._temperature, self._learning_rate = temperature, learning_rate
        self._require_finite = require_finite
        self._losses: list[Tensor] = []
        self._dev: list[tuple[Tensor, Tensor, Tensor]] = []
        self._dev_tokens: list[int] = []
        self._equal: Tensor | None = None  # the dev part is the same at every validation

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam over the aligner's weights."""
        return torch.optim.Adam(self.aligner.parameters(), lr=self._learning_rate)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the contrastive loss over all tokens of a batch.

        Raises:
            RunError: The batch has a single token, or the loss is not finite.
        """
        if len(batch.teacher) < 2:
            raise RunError(
                f"batch of {list_some(batch.ids)}",
                expected="at least two tokens to tell apart",
                got="one",
                remedy="Raise --batch-size.",
            )
        student = self.aligner(batch.heard)
        loss = token_contrastive_loss(student, batch.teacher, self._temperature)
        if not bool(loss.isfinite()):
            self._require_finite(batch)
            raise RunError(
                f"epoch {self.current_epoch + 1}, batch of {list_some(batch.ids, most=64)}",
                expected="a finite loss",
                got=str(float(loss.detach())),
                remedy="Lower --learning-rate, or check these utterances' features.",
            )
        self._losses.append(loss.detach())
        return loss

    def validation_step(self, batch: DevBatch, batch_idx: int) -> None:
        """Collect the students of right and wrong speech, and their teachers."""
        student, wrong = (self.aligner(part.heard) for part in batch)
        if not bool(student.isfinite().all()):
            self._require_finite(batch.right)
        self._dev.append((student, wrong, batch.right.teacher))
        self._dev_tokens += batch.right.num_tokens.tolist()

    def on_validation_epoch_end(self) -> None:
        """Score the whole dev part, and log."""
        student, wrong, teacher = (torch.cat(parts) for parts in zip(*self._dev, strict=True))
        if self._equal is None:
            self._equal = find_equal(teacher)
        right, control = (
            retrieve(tokens, teacher, equal=self._equal) for tokens in (student, wrong)
        )
        self.scores = {
            HEADLINE: right.match_rate,
            "dev_match_rate_shuffled": control.match_rate,
            "speech_gain": right.match_rate - control.match_rate,
            "dev_match_rate_within": within_utterance_match_rate(
                student, teacher, self._dev_tokens
            ),
            "dev_mrr": right.mrr,
            "dev_recall_at_5": right.recall_at_5,
            "dev_chance": right.chance,
        }
        self._dev.clear()
        self._dev_tokens.clear()
        self.log_dict(self.scores)

    def mean_train_loss(self) -> float:
        """Return the mean loss since the last call; NaN if nothing was trained."""
        if not self._losses:
            return float("nan")
        mean = float(torch.stack(self._losses).mean())
        self._losses.clear()
        return mean
