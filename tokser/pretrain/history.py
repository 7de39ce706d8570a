"""What a run keeps of its epochs: a row each, the best weights, the state to go on from."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning
import pandas as pd
from lightning.pytorch.callbacks import Callback
from safetensors.torch import save
from torch import Tensor

from tokser.pretrain.metrics import HEADLINE, best_epoch, read_metrics
from tokser.pretrain.module import AlignerModule
from tokser.progress import say
from tokser.provenance import write_atomically

__all__ = ["History", "interval", "percent", "say_best"]


class History(Callback):
    """Writes `metrics.csv` after every validation, and keeps the last epoch and the best.

    The table is the truth: `best_epoch` of its rows is the best. Rows that a stopped epoch left
    behind are dropped when it is done again.

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
        if best_epoch([*before, row]) == epoch:
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
        rows = self._rows()
        best = best_epoch(rows)
        return next(row for row in rows if row["epoch"] == best)

    def _rows(self) -> list[dict[str, Any]]:
        if not self.table.is_file():
            return []
        table = read_metrics(self.table)
        return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]

    def _keep_best(self, weights: dict[str, Tensor]) -> None:
        on_cpu = {name: tensor.detach().cpu() for name, tensor in weights.items()}
        write_atomically(self.best, save(on_cpu))

    def _say(self, row: dict[str, Any]) -> None:
        loss = "" if math.isnan(row["train_loss"]) else f"loss {row['train_loss']:.4f}, "
        text_only = ""
        if not math.isnan(row.get(f"{HEADLINE}_text_only", math.nan)):
            text_only = f"text-only baseline {percent(row, f'{HEADLINE}_text_only')}, "
        say(
            f"epoch {row['epoch']}/{self._num_epochs}: {loss}"
            f"dev match rate {percent(row, HEADLINE)} "
            f"(mismatched speech {percent(row, f'{HEADLINE}_shuffled')}, {text_only}"
            f"chance {percent(row, 'dev_chance')})"
        )


def say_best(row: Mapping[str, Any]) -> None:
    """Say what the best epoch reached, with 95 % intervals."""
    gains = {"speech_gain": "mismatched speech", "speech_gain_text_only": "the text-only baseline"}
    parts = [f"dev match rate {percent(row, HEADLINE)}{interval(row, HEADLINE)}"]
    parts += [
        f"gain over {baseline} {100 * row[name]:.2f} points{interval(row, name)}"
        for name, baseline in gains.items()
        if not math.isnan(row.get(name, math.nan))
    ]
    num_speakers, num_utterances = (
        row.get(f"dev_num_{units}", math.nan) for units in ("speakers", "utterances")
    )
    over = (
        f"{num_speakers:.0f} speakers" if num_speakers > 0 else f"{num_utterances:.0f} utterances"
    )
    note = f" (95 % intervals over {over})" if interval(row, HEADLINE) else ""
    say(f"best epoch {row['epoch']}: {', '.join(parts)}{note}")


def percent(row: Mapping[str, Any], column: str) -> str:
    """Write a share of a row of `metrics.csv` in percent."""
    return f"{100 * row[column]:.2f} %"


def interval(row: Mapping[str, Any], column: str) -> str:
    """Write the interval of a share or a gain in percent, ` [low, high]`; nothing without one."""
    low, high = (row.get(f"{column}_{end}", math.nan) for end in ("low", "high"))
    return "" if math.isnan(low) else f" [{100 * low:.2f}, {100 * high:.2f}]"
