"""What a run keeps of its epochs: a row each, the best weights, the state to resume from."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning
import pandas as pd
from lightning.pytorch.callbacks import Callback
from safetensors.torch import save
from torch import Tensor

from tokser.checksummed_folder import ChecksummedFolder
from tokser.errors import DamagedFileError
from tokser.pretrain.checkpoint import WEIGHTS
from tokser.pretrain.metrics import HEADLINE, best_epoch, read_metrics
from tokser.pretrain.module import AlignerModule
from tokser.progress import say, warn
from tokser.provenance import STAMP_NAME

__all__ = ["History", "interval", "percent", "say_best"]

_TABLE, _TABLE_COPY = "metrics.csv", "checkpoints/metrics.csv"
_BEST = "checkpoints/best.safetensors"
_LAST, _BEFORE_LAST = "checkpoints/last.ckpt", "checkpoints/before-last.ckpt"
_STATES = (_LAST, _BEFORE_LAST)
_TWICE = ((_TABLE, _TABLE_COPY), (_BEST, WEIGHTS))
"""Files with the same content, the first the one that training reads."""


class History(Callback):
    """Writes `metrics.csv` after every validation, and keeps the last two states and the best.

    The table is the truth: `best_epoch` of its rows is the best. Rows that a stopped epoch left
    behind are dropped when it is done again. The table is there twice, and the weights of a
    finished run are, too: what is damaged is copied from the other.

    Args:
        out: Folder of the run.
        num_epochs: Epochs of the run.
        save_steps: Steps between two saved states within an epoch.

    Attributes:
        table: `metrics.csv`.
        best: Weights of the best epoch so far.
        last: Everything that is needed to resume, in Lightning's format; the state saved before it
            lies beside it, in case it is damaged.
    """

    def __init__(self, out: Path, num_epochs: int, save_steps: int = 500) -> None:
        self._num_epochs, self._save_steps = num_epochs, save_steps
        self._sealed = ChecksummedFolder(out)
        self._last_is_whole = True
        self.table, self.best, self.last = out / _TABLE, out / _BEST, out / _LAST

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
        text = pd.DataFrame([*before, row]).to_csv(index=False, lineterminator="\n")
        files = {_TABLE: str(text).encode(), _TABLE_COPY: str(text).encode()}
        if best_epoch([*before, row]) == epoch:
            files = {_BEST: _weights(pl_module.aligner.state_dict())} | files
        self._sealed.put(files)
        self._say(row)

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Save the state, so that a stopped run resumes here."""
        self._save(trainer)

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save the state within an epoch, every `save_steps` steps."""
        if (batch_idx + 1) % self._save_steps == 0 and not trainer.is_last_batch:
            self._save(trainer)

    def begin_anew(self) -> None:
        """Remove what a stopped run left."""
        self._sealed.drop(STAMP_NAME, *_STATES, _BEST, WEIGHTS, _TABLE, _TABLE_COPY)

    def checkpoint(self) -> Path | None:
        """Return the state to resume from: the last that is undamaged.

        None where there is none, or where the weights or the rows of epochs before it are lost.
        Changes nothing, so that every process of a run finds the same.
        """
        if self._lost():
            return None
        last, before = (self._sealed.is_whole(name) for name in _STATES)
        self._last_is_whole = last
        if last:
            return self.last
        if not before:
            return None
        _say_first(f"{self.last} is damaged or gone: training resumes from the state saved before")
        return self.last.with_name(Path(_BEFORE_LAST).name)

    def is_finished(self) -> bool:
        """Tell whether training is complete and its files are undamaged; changes nothing."""
        return {STAMP_NAME, _BEST, _TABLE} <= self._names() and not self._lost()

    def repair(self) -> None:
        """Replace damaged files by their copies; where there is none, remove what the run left.

        Raises:
            InputError: A folder is where a file should be.
        """
        lost = self._lost()
        if lost:
            warn(f"{lost}: training begins again")
            self.begin_anew()
        for names in _TWICE:
            whole = next((name for name in names if self._sealed.is_whole(name)), None)
            for name in self._sealed.faults(set(names) & self._names()):
                if whole is not None:
                    warn(
                        f"{self._sealed.folder / name} is damaged or gone: {whole} is copied to it"
                    )
                    self._sealed.put({name: (self._sealed.folder / whole).read_bytes()})

    def drop_damaged_states(self) -> None:
        """Remove damaged states to resume from, when training is complete."""
        for name in self._sealed.faults(self._names().intersection(_STATES)):
            warn(
                f"{self._sealed.folder / name} is damaged or gone: a finished run does not need it"
            )
            self._sealed.drop(name)

    def _names(self) -> set[str]:
        try:
            return set(self._sealed.listed())
        except DamagedFileError:
            return set()

    def _lost(self) -> str:
        """Name a damaged file that has no copy; empty if there is none."""
        names = self._names()
        for twice in _TWICE:
            listed = [name for name in twice if name in names]
            faults = self._sealed.faults(listed) if listed else {}
            if len(faults) == len(listed) > 0 and twice[0] in faults:
                return f"{self._sealed.folder / twice[0]} {faults[twice[0]]}"
        return ""

    def _save(self, trainer: lightning.Trainer) -> None:
        partial = self.last.with_name(f".{self.last.name}.partial")
        trainer.save_checkpoint(partial)  # of several processes, the first one writes
        if not trainer.is_global_zero:
            return
        keeps = self._last_is_whole and self.last.is_file()
        self._sealed.move(({_BEFORE_LAST: self.last} if keeps else {}) | {_LAST: partial})
        self._last_is_whole = True

    def best_row(self) -> dict[str, Any]:
        """Return the best epoch's row: `epoch`, an int, and its loss and scores, floats."""
        rows = self._rows()
        best = best_epoch(rows)
        return next(row for row in rows if row["epoch"] == best)

    def _rows(self) -> list[dict[str, Any]]:
        if not self._sealed.is_whole(_TABLE):
            return []
        table = read_metrics(self.table)
        return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]

    def _say(self, row: dict[str, Any]) -> None:
        loss = "" if math.isnan(row["train_loss"]) else f"loss {row['train_loss']:.4f}, "
        text_only = ""
        if not math.isnan(row.get(f"{HEADLINE}_text_only", math.nan)):
            text_only = f"text-only baseline {percent(row, f'{HEADLINE}_text_only')}, "
        say(
            f"epoch {row['epoch']}/{self._num_epochs}: {loss}"
            f"dev match rate {percent(row, HEADLINE)} "
            f"(mismatched speech {percent(row, f'{HEADLINE}_mismatched')}, {text_only}"
            f"chance {percent(row, 'dev_chance')})"
        )


def _weights(state: Mapping[str, Tensor]) -> bytes:
    return save({name: tensor.detach().cpu() for name, tensor in state.items()})


def _say_first(message: str) -> None:
    """Print what every process finds only once."""
    if os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) == "0":
        say(message)


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
