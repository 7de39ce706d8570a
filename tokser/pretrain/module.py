"""The aligner as Lightning trains it: loss, optimiser, schedule, baselines."""

import math
from collections.abc import Callable
from typing import Any, Literal

import lightning
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from tokser.config import PretrainSettings
from tokser.errors import RunError, list_some
from tokser.pretrain.aligner import Aligner
from tokser.pretrain.attention import product
from tokser.pretrain.batches import Batch, DevBatch
from tokser.pretrain.chunks import align_in_chunks, in_chunks
from tokser.pretrain.distributed_loss import gathered_loss, local_loss, num_ranks
from tokser.pretrain.free_teacher import teacher_losses
from tokser.pretrain.kept_functionals import KeptFunctionals
from tokser.pretrain.metrics import HEADLINE
from tokser.pretrain.rates import DevUnits
from tokser.pretrain.validation import Validation

__all__ = ["AlignerModule", "learning_rate_at"]

_LOSSES = {"gathered": gathered_loss, "local": local_loss}
UNTRAINED = "dev_match_rate_untrained"


class AlignerModule(lightning.LightningModule):
    """Trains an aligner, and beside it the text-only baseline, a linear map of the queries.

    The baseline shares neither weights nor loss with the aligner; its gradient is clipped
    separately.

    Args:
        aligner: What is trained.
        settings: Temperature, optimiser, schedule, loss, baselines.
        require_finite: Raises, naming the utterance, if a batch's rows are not finite; called
            where a loss or a score is not finite.
        num_batches: Batches of an epoch, for the schedule.
        units: Independent units of the scores' intervals; every utterance by default.
        kept: Predicts functionals from aligned tokens, see `kept_functionals`; none by default.

    Attributes:
        scores: Scores of the last validation, by name.
    """

    def __init__(
        self,
        aligner: Aligner,
        settings: PretrainSettings,
        require_finite: Callable[[Batch], None] = lambda batch: None,
        num_batches: int = 1,
        units: DevUnits | None = None,
        kept: KeptFunctionals | None = None,
    ) -> None:
        super().__init__()
        self._num_batches = num_batches
        self.aligner, self.kept = aligner, kept
        self.text_only = TextOnly(aligner.text_dim) if settings.text_only else None
        self.scores: dict[str, float] = {}
        self._settings, self._require_finite = settings, require_finite
        self._validation = Validation(require_finite, units)
        self._losses: list[Tensor] = []
        self._untrained: float | None = None

    def configure_optimizers(self) -> Any:
        """Return Adam, and the schedule of its learning rate, updated at every step."""
        settings = self._settings
        optimizer = torch.optim.Adam(self._rates(), lr=settings.learning_rate)
        if settings.schedule == "constant" and not settings.warmup_steps:
            return optimizer
        # Not the trainer's estimate, which makes Lightning lose its position within an epoch.
        num_steps = settings.epochs * self._num_batches

        def factor(step: int) -> float:
            return learning_rate_at(
                step, num_steps, warmup=settings.warmup_steps, schedule=settings.schedule
            )

        schedule = {"scheduler": LambdaLR(optimizer, factor), "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def _rates(self) -> Any:
        """Return what is trained; blocks of an encoder with a learning rate of their own."""
        blocks = [part for part in (self.aligner.speech_blocks, self.aligner.teacher) if part]
        if not blocks:
            return self.parameters()
        rate = self._settings.tune_learning_rate or self._settings.learning_rate / 10
        of_blocks = [p for part in blocks for p in part.parameters()]
        tuned = [p for p in of_blocks if p.requires_grad]
        known = {id(p) for p in of_blocks}
        own = [p for p in self.parameters() if id(p) not in known]
        return [{"params": own}, {"params": tuned, "lr": rate}]

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the aligner's gradient and the baseline's, each by its own norm."""
        if self._settings.clip_norm is not None:
            for part in (self.aligner, self.text_only):
                if part is not None:
                    nn.utils.clip_grad_norm_(part.parameters(), self._settings.clip_norm)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the contrastive loss over all tokens of a batch, of all processes.

        Raises:
            RunError: The batch has a single token, or the loss is not finite.
        """
        if len(batch.teacher) < 2 and num_ranks() == 1:
            raise RunError(
                f"batch of {list_some(batch.ids)}",
                expected="at least two tokens to tell apart",
                got="one",
                remedy="Raise --batch-size.",
            )
        loss = _LOSSES[self._settings.loss]
        student, baseline = self._students(batch)
        trained = self._trained_teacher(batch)
        teacher = batch.teacher if trained is None else trained.detach()
        value, total = loss(student, teacher, self._settings.temperature)
        if not bool(value.isfinite()):
            self._require_finite(batch)
            raise RunError(
                f"epoch {self.current_epoch + 1}, batch of {list_some(batch.ids, most=64)}",
                expected="a finite loss",
                got=str(float(value)),
                remedy="Lower --learning-rate, or check these utterances' features.",
            )
        if trained is not None:
            tau, anchor = self._settings.temperature, self._settings.teacher_anchor
            total = total + teacher_losses(loss, trained, student, batch.teacher, tau, anchor)
        if self.kept is not None:
            of_kept = self.kept(batch.ids, student, batch.num_tokens)
            total = total + self._settings.keep_weight * of_kept
            self.log("train_loss_kept", of_kept.detach(), batch_size=len(batch.ids))
        self._losses.append(value)
        self.log("train_loss_step", value, prog_bar=True, batch_size=len(batch.ids))
        if baseline is not None:
            total = total + loss(baseline, batch.teacher, self._settings.temperature)[1]
        return total

    def _students(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Return the aligner's student and, where it is trained, the text-only baseline's."""
        aligner, text_only = self.aligner, self.text_only
        if text_only is None:
            return align_in_chunks(aligner, batch.inputs), None
        both = in_chunks(
            [aligner, text_only],
            lambda part: (aligner(part), text_only(part.queries)),
            batch.inputs,
        )
        return both[0], both[1]

    def _trained_teacher(self, batch: Batch) -> Tensor | None:
        """Return B', or None where the teacher is frozen."""
        if self.aligner.teacher is None or batch.below is None or batch.below_lengths is None:
            return None
        found: Tensor = self.aligner.teacher(batch.below, batch.below_lengths)
        return found

    def validation_step(self, batch: DevBatch, batch_idx: int) -> None:
        """Collect the students of matched and mismatched speech and of the text-only baseline."""
        self._validation.add(self.aligner, self.text_only, batch)

    def on_validation_epoch_end(self) -> None:
        """Score the whole dev part, and log."""
        self.scores = self._validation.scores()
        if self._untrained is None:
            self._untrained = self.scores[HEADLINE]
        self.scores[UNTRAINED] = self._untrained
        # Every process has the same scores; an interval may be missing.
        self.log_dict({name: score for name, score in self.scores.items() if score == score})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what the epoch left so far, and the state of the generator that dropout draws on."""
        checkpoint["tokser"] = {
            "losses": [float(loss) for loss in self._losses],
            "untrained": self._untrained,
            "generator": torch.get_rng_state(),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore it."""
        kept = checkpoint["tokser"]
        self._losses = [torch.tensor(loss) for loss in kept["losses"]]
        self._untrained = kept["untrained"]
        torch.set_rng_state(kept["generator"])

    def mean_train_loss(self) -> float:
        """Return the mean loss since the last call; NaN if nothing was trained."""
        if not self._losses:
            return float("nan")
        mean = float(torch.stack([loss.cpu() for loss in self._losses]).mean())
        self._losses.clear()
        return mean


class TextOnly(nn.Linear):
    """The text-only baseline: a linear map of each query.

    Args:
        text_dim: Width of queries and teacher.
    """

    def __init__(self, text_dim: int) -> None:
        super().__init__(text_dim, text_dim)

    def forward(self, queries: Tensor) -> Tensor:
        """Return a student of every query, [tokens, text_dim]."""
        return product(queries, self.weight.mT) + self.bias


def learning_rate_at(
    step: int, num_steps: int, *, warmup: int, schedule: Literal["constant", "cosine", "linear"]
) -> float:
    """Return the factor of the learning rate at a step.

    It rises from 1/warmup to 1 over the warm-up, then stays, falls along half a cosine to 0, or
    falls straight to 0.

    Args:
        step: From 0 on.
        num_steps: Steps of the whole run.
        warmup: Steps of the warm-up.
        schedule: What comes after it.
    """
    if step < warmup:
        return (step + 1) / warmup
    if schedule == "constant":
        return 1.0
    done = (step - warmup) / max(1, num_steps - warmup)
    return (1 + math.cos(math.pi * done)) / 2 if schedule == "cosine" else 1 - done
