"""`tokser.pretrain` and `tokser.align`: the aligner, from training to features in a store."""

import json
from functools import cached_property
from pathlib import Path
from typing import Any, Unpack

import pandas as pd

from tokser.api.options import AlignOptions, PretrainOptions
from tokser.api.stores import AnyStore, address_of, folder_beside, opened
from tokser.config import AlignSettings, PretrainSettings
from tokser.config.keywords import settings_from
from tokser.errors import MissingInputError
from tokser.missing_packages import names_missing_packages
from tokser.notebook import table_html, without_widgets
from tokser.progress import say
from tokser.provenance import STAMP_NAME
from tokser.store import Store

__all__ = ["Run", "align", "pretrain"]

_SHOWN = ("epoch", "train_loss", "dev_match_rate", "dev_match_rate_mismatched", "speech_gain")


class Run:
    """A finished pretraining run: its folder, its epochs, its settings.

    Args:
        folder: What `tokser pretrain` wrote.

    Attributes:
        folder: The folder; its name begins the name of the aligned feature.

    Raises:
        MissingInputError: The folder holds no finished run.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / STAMP_NAME).is_file():
            raise MissingInputError(
                self.folder,
                expected="a finished run of `tokser pretrain`",
                got=f"no {STAMP_NAME}",
                remedy="Name the folder of a run, or run the same `tokser.pretrain` again.",
            )

    @property
    def name(self) -> str:
        """Name of the run: `store[f"{run.name}/aligned"]` after `tokser.align(store, run)`."""
        return self.folder.resolve().name

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """A row for each epoch: losses, match rates, baselines."""
        from tokser.pretrain.metrics import read_metrics

        return read_metrics(self.folder / "metrics.csv")

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The settings that it was trained with."""
        return dict(json.loads((self.folder / "settings.json").read_text(encoding="utf-8")))

    @property
    def best(self) -> "pd.Series[Any]":
        """The row of the best epoch, whose weights are kept."""
        from tokser.pretrain.metrics import best_epoch

        epoch = best_epoch(self.metrics.to_dict("records"))
        return self.metrics.set_index("epoch", drop=False).loc[epoch]

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}, {self.settings['variant']}, {len(self.metrics)} epochs)"

    def _repr_html_(self) -> str:
        """Show the best epoch in a notebook, and the last one."""
        columns = [name for name in _SHOWN if name in self.metrics]
        shown = [("best", self.best), ("last", self.metrics.iloc[-1])]
        rows = [(what, *(_number(name, row[name]) for name in columns)) for what, row in shown]
        caption = f"Run {self.folder}: {self.settings['variant']}"
        headings = ("", *(name.replace("_", " ") for name in columns))
        return table_html(caption, headings, rows, right=range(1, len(headings)))


@names_missing_packages
def pretrain(
    store: AnyStore,
    *,
    variant: str = "paper",
    out: str | Path | None = None,
    **options: Unpack[PretrainOptions],
) -> Run:
    """Train the aligner on a store of speech and text.

    A run that was stopped goes on with the same call.

    Args:
        store: The store of speech and text.
        variant: `paper`, `scaled`, `sunder` or `listener`.
        out: Folder of the run; without, one beside the store, `NAME-runs/VARIANT-DIGEST`, which is
            the same for the same settings and data.
        **options: As `tokser pretrain --help` shows them: `epochs`, `batch_size`...

    Raises:
        InputError: A keyword, a feature or the folder is not what it should be.
        RunError: The loss is not finite, or memory ran out.

    Example:
        >>> import tokser
        >>> store = "workspace/stores/emodb.zarr"
        >>> run = tokser.pretrain(store, epochs=1, speech="whisper-base/layer-6")
        >>> list(run.metrics["epoch"])
        [0, 1]
    """
    without_widgets()
    from tokser.pretrain.features import resolve_features, roles_of, stamp_of
    from tokser.stages.pretrain import pretrain as run

    main = {"store": address_of(store), "variant": variant, "out": out or "unnamed"}
    settings = settings_from(PretrainSettings, {**main, **options}, where="tokser.pretrain")
    if out is None:
        there = opened(store)
        resolved = resolve_features(there, settings)
        stamp = stamp_of(there, resolved, roles_of(there, resolved))
        folder = folder_beside(there, "runs", settings.variant, stamp)
        settings = settings.model_copy(update={"out": folder})
        say(f"pretrain: in {folder}")
    return Run(run(settings))


@names_missing_packages
def align(store: AnyStore, checkpoint: Run | str | Path, **options: Unpack[AlignOptions]) -> str:
    """Apply a trained aligner to a store that has the features which it was trained on.

    Args:
        store: The store that gets the aligned feature.
        checkpoint: A run, or its folder.
        **options: As `tokser align --help` shows them: `batch_size`, `device`.

    Returns:
        Name of the feature, `RUN/aligned`; pool it before `tokser.classify`.

    Raises:
        InputError: A keyword is unknown, or the checkpoint is no finished run.
        StoreError: The store was made by other models than the run's.

    Example:
        >>> import tokser
        >>> store = "workspace/stores/emodb.zarr"
        >>> speech = "whisper-base/layer-6"
        >>> run = tokser.pretrain(store, epochs=1, speech=speech, out="runs/aligner")
        >>> tokser.align(store, run)
        'aligner/aligned'
    """
    from tokser.stages.align import align as run

    folder = checkpoint.folder if isinstance(checkpoint, Run) else checkpoint
    keywords = {"store": address_of(store), "checkpoint": folder, **options}
    name = run(settings_from(AlignSettings, keywords, where="tokser.align"))
    if isinstance(store, Store):
        store.reload()
    return name


def _number(name: str, value: float) -> str:
    return f"{value:.0f}" if name == "epoch" else f"{value:.3f}"
