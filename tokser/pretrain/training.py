"""Lightning, set up to train the aligner from batches of a store."""

import logging
import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import timedelta
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.callbacks import Callback, EarlyStopping, RichProgressBar
from lightning.pytorch.loggers import Logger
from lightning.pytorch.strategies import DDPStrategy

from tokser.config import PretrainSettings
from tokser.errors import RunError, SettingsError
from tokser.notebook import NotebookBar
from tokser.pretrain.data import Batches
from tokser.pretrain.history import History
from tokser.pretrain.metrics import HEADLINE
from tokser.pretrain.module import AlignerModule
from tokser.progress import has_bars, notebook_bar
from tokser.temporary_changes import environment_restored, log_level
from tokser.thread_team import thread_team

__all__ = ["launched_rank", "require_launcher", "train"]

_DDP_TIMEOUT = timedelta(minutes=30)


def train(
    module: AlignerModule,
    data: Batches,
    history: History,
    settings: PretrainSettings,
    *,
    device: torch.device,
    loggers: list[Logger] | None = None,
) -> None:
    """Validate the untrained aligner, then train; or resume a stopped run.

    Args:
        module: The aligner with its loss.
        data: Batches.
        history: Keeps metrics, weights and states.
        settings: Epochs, precision, patience, processes.
        device: Where the arithmetic runs.
        loggers: Further loggers.

    Raises:
        RunError: The loss is not finite, or memory ran out.
        KeyboardInterrupt: Stopped, by Ctrl-C or SIGTERM.
    """
    is_tuned = bool(settings.tune_speech or settings.tune_text)
    team = nullcontext() if is_tuned else thread_team(device)  # blocks have dropout of their own
    with team, _quiet(), _interrupts_as_python_does(), _explains_out_of_memory(settings):
        trainer = _trainer(history, settings, device, loggers or [])
        checkpoint = history.checkpoint() if settings.resume else None
        if checkpoint is None:
            trainer.validate(module, datamodule=data, verbose=False)
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint)


def launched_rank() -> int:
    """Return this process's number as its launcher has it, before the processes are connected."""
    return int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")))


def require_launcher(settings: PretrainSettings) -> None:
    """Raise unless as many processes were started as the settings name.

    Raises:
        SettingsError: There are others, or none.
    """
    wanted = settings.devices * settings.nodes
    if wanted == 1:
        return
    found = int(os.environ.get("WORLD_SIZE", os.environ.get("SLURM_NTASKS", "1")))
    if found != wanted:
        raise SettingsError(
            f"--devices {settings.devices} --nodes {settings.nodes}",
            expected=f"{wanted} processes, started by torchrun or srun",
            got=str(found),
            remedy=f"Start them: torchrun --nnodes {settings.nodes} --nproc-per-node "
            f"{settings.devices} -m tokser pretrain ..., or srun --ntasks-per-node "
            f"{settings.devices}.",
        )


def _trainer(
    history: History, settings: PretrainSettings, device: torch.device, loggers: list[Logger]
) -> lightning.Trainer:
    on_terminal = has_bars()
    callbacks: list[Callback] = [history]
    if settings.patience is not None:
        callbacks = [EarlyStopping(HEADLINE, mode="max", patience=settings.patience), history]
    if on_terminal:
        callbacks.append(RichProgressBar())
    callbacks.append(_EpochsInNotebook(settings.out.name))
    return lightning.Trainer(
        accelerator={"cuda": "gpu"}.get(device.type, device.type),
        max_epochs=settings.epochs,
        precision="bf16-mixed" if settings.precision == "bf16" else "32-true",
        callbacks=callbacks,
        enable_progress_bar=on_terminal,
        enable_model_summary=False,
        enable_checkpointing=False,  # `History` does it
        num_sanity_val_steps=0,
        log_every_n_steps=50,
        use_distributed_sampler=False,  # `Batches` does it
        logger=loggers or False,
        default_root_dir=history.last.parent,
        **_processes(settings, device),
    )


class _EpochsInNotebook(Callback):
    """Draws a bar of epochs below the cell of a notebook, where bars were asked for."""

    def __init__(self, run: str) -> None:
        self._run, self._open = run, ExitStack()
        self._bar: NotebookBar | None = None

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Begin at the epoch that training begins with."""
        label, total = f"pretrain {self._run}", trainer.max_epochs or 0
        self._bar = self._open.enter_context(notebook_bar(label, total=total, unit="epochs"))

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Say what the epoch came to."""
        reached = trainer.callback_metrics.get(HEADLINE)
        if self._bar is not None and reached is not None:
            self._bar.show(
                trainer.current_epoch + 1, f"dev match rate {100 * float(reached):.1f} %"
            )

    def teardown(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str
    ) -> None:
        """End the bar."""
        self._open.close()


def _processes(settings: PretrainSettings, device: torch.device) -> dict[str, Any]:
    """Return the trainer's arguments on processes, and who started them."""
    if settings.devices * settings.nodes == 1:
        # One process, within a Slurm job of many tasks too.
        devices: Any = [device.index or 0] if device.type == "cuda" else 1
        return {"devices": devices, "plugins": LightningEnvironment()}
    by_torchrun = TorchElasticEnvironment.detect()
    return {
        "devices": settings.devices,
        "num_nodes": settings.nodes,
        "plugins": TorchElasticEnvironment() if by_torchrun else SLURMEnvironment(),
        "strategy": DDPStrategy(timeout=_DDP_TIMEOUT),
    }


@contextmanager
def _explains_out_of_memory(settings: PretrainSettings) -> Iterator[None]:
    """Turn an out-of-memory error into one that names the options that need less."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        is_out_of_memory = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not is_out_of_memory and "can't allocate memory" not in str(error):
            raise
        raise RunError(
            f"a batch of {settings.batch_size} utterances",
            expected="room in memory",
            got=str(error).partition("\n")[0],
            remedy=f"Lower --batch-size below {settings.batch_size}, or take --precision bf16"
            + ("; leave --preload out." if settings.preload != "none" else "."),
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence warnings of Lightning that call for no change."""
    with (
        warnings.catch_warnings(),
        log_level("lightning.pytorch", logging.WARNING),
        environment_restored(),  # Lightning removes WORLD_SIZE at the end
    ):
        # A thread prefetches batches; worker processes would cost more than they save.
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        warnings.filterwarnings("ignore", ".*GPU available but not used.*")  # --device cpu
        # Lightning still uses this of PyTorch's tree utilities.
        warnings.filterwarnings("ignore", ".*isinstance.treespec, LeafSpec.*")
        # A small run has fewer steps than the logging interval.
        warnings.filterwarnings("ignore", ".*smaller than the logging interval.*")
        # Every process computes the scores of the whole dev part: they are the same.
        warnings.filterwarnings("ignore", ".*sync_dist=True.*")
        yield


@contextmanager
def _interrupts_as_python_does() -> Iterator[None]:
    """Raise KeyboardInterrupt where Lightning exits by itself, and restore the handler of Ctrl-C.

    Lightning answers Ctrl-C with SystemExit and leaves SIGINT ignored; it answers SIGTERM with a
    SystemExit that a shell takes for success.
    """
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as stop:
        raise KeyboardInterrupt from stop
    finally:
        if signal.getsignal(signal.SIGINT) is not handler:
            signal.signal(signal.SIGINT, handler)
