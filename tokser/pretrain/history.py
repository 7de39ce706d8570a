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

    Attributes:
        table: `metrics.csv`.
        best: Weights of the best epoch so far.
        last: Everything that the last whole epoch left, in Lightning's format.
    """

    def __init__(self, out: Path, num_epochs: int) -> None:
        self._num_epochs = num_epochs
        self.table = out / "metrics.csv"
        self.best = out / "checkpoints" / "best.safetensors"
        self.last = out / "checkpoints" / "last.ckpt"

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Add the epoch's row, and keep its weights if it is the best."""
        if not isinstance(pl_module, AlignerModule):
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
        trainer.save_checkpoint(self.last)

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
        say(
            f"epoch {row['epoch']}/{self._num_epochs}: {loss}"
            f"dev match {100 * row[HEADLINE]:.2f} % "
            f"(wrong speech {100 * row['dev_match_rate_shuffled']:.2f} %, "
            f"chance {100 * row['dev_chance']:.2f} %)"
        )
