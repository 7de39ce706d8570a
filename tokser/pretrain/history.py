"""What a run keeps of its epochs: a row each, the best weights, the state to go on from."""

import math
from pathlib import Path
from typing import Any

import lightning
import pandas as pd
from lightning.pytorch.callbacks import Callback
from safetensors.torch import save
from torch import Tensor

from tokser.pretrain.module import HEADLINE, AlignerModule
from tokser.progress import say
from tokser.provenance import write_atomically

__all__ = ["History"]


class History(Callback):
    """Writes `metrics.csv` after every validation, and keeps the last epoch and the best.

    The table is the truth: the best epoch is the first of those from 1 on whose match rate no
    other exceeds. Rows that a stopped epoch left behind are dropped when it is done again.

    Args:
        out: Folder of the run.
        num_epochs: Epochs of the run.
        save_steps: Steps between two savings of the state within an epoch.

    Attributes:
        table: `metrics.csv`.
        best: Weights of the best epoch so far.
        last: Everything that is needed to go on, in Lightning's format.
    """

    def __init__(self, out: Path, num_epochs: int, save_steps: int = 500) -> None:
        self._num_epochs, self._save_steps = num_epochs, save_steps
        self.table = out / "metrics.csv"
        self.best = out / "checkpoints" / "best.safetensors"
        self.last = out / "checkpoints" / "last.ckpt"

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Add the epoch's row, and keep its weights if it is the best."""
        if not isinstance(pl_module, AlignerModule):
            return
        if not trainer.is_global_zero:
            return
        epoch = trainer.current_epoch + 1 if trainer.state.fn == "fit" else 0
        row = {"epoch": epoch, "train_loss": pl_module.mean_train_loss(), **pl_module.scores}
        before = [earlier for earlier in self._rows() if earlier["epoch"] < epoch]
        if epoch and all(earlier[HEADLINE] < row[HEADLINE] for earlier in before[1:]):
            self._keep_best(pl_module.aligner.state_dict())
        text = pd.DataFrame([*before, row]).to_csv(index=False, lineterminator="\n")
        write_atomically(self.table, str(text).encode())
        self._say(row)

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Save the state, so that a stopped run goes on from here."""
        self._save(trainer)

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save the state within an epoch, now and then."""
        if (batch_idx + 1) % self._save_steps == 0 and not trainer.is_last_batch:
            self._save(trainer)

    def begin_anew(self) -> None:
        """Forget what a run left that was stopped."""
        for file in (self.last, self.best, self.table):
            file.unlink(missing_ok=True)

    def _save(self, trainer: lightning.Trainer) -> None:
        partial = self.last.with_name(f".{self.last.name}.partial")
        trainer.save_checkpoint(partial)  # of several processes, the first one writes
        if trainer.is_global_zero:
            partial.replace(self.last)

    def best_row(self) -> dict[str, Any]:
        """Return the best epoch's row: `epoch`, an int, and its loss and scores, floats."""
        return max(self._rows()[1:], key=lambda row: row[HEADLINE])

    def _rows(self) -> list[dict[str, Any]]:
        if not self.table.is_file():
            return []
        # As text, because pandas' own reading of floats may be off by the last digit.
        table = pd.read_csv(self.table, dtype=str, keep_default_na=False)
        return [
            {str(key): float(text or "nan") for key, text in row.items()}
            | {"epoch": int(row["epoch"])}
            for row in table.to_dict("records")
        ]

    def _keep_best(self, weights: dict[str, Tensor]) -> None:
        on_cpu = {name: tensor.detach().cpu() for name, tensor in weights.items()}
        write_atomically(self.best, save(on_cpu))

    def _say(self, row: dict[str, Any]) -> None:
        loss = "" if math.isnan(row["train_loss"]) else f"loss {row['train_loss']:.4f}, "
        deaf = row.get("dev_match_rate_text_only", math.nan)
        text_only = "" if math.isnan(deaf) else f"text only {100 * deaf:.2f} %, "
        say(
            f"epoch {row['epoch']}/{self._num_epochs}: {loss}"
            f"dev match {100 * row[HEADLINE]:.2f} % "
            f"(speech adds {100 * row['speech_gain']:.2f}: wrong speech "
            f"{100 * row['dev_match_rate_shuffled']:.2f} %, {text_only}"
            f"chance {100 * row['dev_chance']:.2f} %)"
        )
