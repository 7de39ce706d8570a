"""Settings of `tokser extract`."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tokser.config.base import Settings
from tokser.config.option import Option
from tokser.config.values import (
    Cluster,
    ContextName,
    DatasetName,
    Device,
    Positive,
    PrecisionName,
    Rate,
    Scheduler,
    Store,
)

__all__ = ["ExtractSettings"]


class ExtractSettings(Settings):
    """`tokser extract`: which encoders run over which corpus, into which store."""

    TOPICS: ClassVar = {
        "Corpus": ("dataset", "root", "manifest", "corpus", "splits", "subset"),
        "Encoders": ("encoders", "layers", "revision", "context", "precision"),
        "Store": ("store", "name", "dtype", "compression", "shard_mb", "functionals_only"),
        "Computation": ("device", "batch_seconds", "scheduler", "cluster"),
    }

    dataset: DatasetName
    """A corpus that tokser knows (`tokser corpora` lists them), the one of --corpus, or a name of
    your choice with --manifest."""
    root: Annotated[Path, Option(kind="folder")]
    """The corpus's own folder."""
    manifest: Annotated[Path | None, Option(kind="file", unset="the folder is scanned")] = None
    """Manifest (CSV) of `tokser manifest`; a corpus of your own needs it, or --corpus."""
    corpus: Annotated[Path | None, Option(kind="file", unset="the one that comes with tokser")] = (
        None
    )
    """Declaration (YAML) of a corpus of your own."""
    store: Store
    """Folder or URL of the store: feats.zarr, feats.h5 (HDF5) or s3://bucket/feats.zarr."""
    encoders: Annotated[
        tuple[str, ...],
        Field(min_length=1),
        Option(name="--encoder", aliases=("--encoders",), metavar="ID|FOLDER"),
    ]
    """Hub id (openai/whisper-base) or local folder of a speech or text encoder."""
    layers: str = "last"
    """last (the model's last hidden state), all, or a list such as 0,3,6 or 6,last; 0 is the
    embedding output. Encoders that name their layers take names: lld,functionals."""
    revision: Annotated[str | None, Option(unset="auto: the newest")] = None
    """Branch, tag or commit of encoders that come from the hub."""
    splits: Annotated[
        tuple[str, ...],
        Option(name="--split", aliases=("--splits",), unset="all parts that are there"),
    ] = ()
    """Part of LibriSpeech, for instance train-clean-100."""
    subset: Annotated[str, Option(metavar="NAME")] = "all"
    """Part or label set that the corpus declares, such as recognised (EmoDB: the 493 recordings of
    the paper's Table 1) or four-class (IEMOCAP: 5,531 of 10,039 turns); `tokser corpora --json`
    lists them."""
    name: Annotated[str | None, Option(unset="the encoder's")] = None
    """Name of one's own for the features' group, of one encoder: NAME/layer-6."""
    dtype: Literal["float16", "float32"] = "float16"
    """Type of the stored numbers."""
    compression: Literal["none", "zstd", "blosc", "gzip"] = "none"
    """Compression of the rows. Activations shrink by 4 to 8 % only, and compressed rows are read
    more slowly. zstd and blosc for Zarr, gzip for HDF5."""
    shard_mb: Positive = 256
    """Largest size of a shard over all its arrays, in MiB."""
    batch_seconds: Annotated[Rate | None, Option(unset="auto: 30 on a CPU, 240 on a GPU")] = None
    """Audio in one batch, padding included, in seconds; more needs more memory."""
    precision: PrecisionName = "fp32"
    """Precision of the encoders' weights and products. bf16 is faster where the CPU supports it,
    about 1 % off fp32; fp16 needs a GPU. What is stored has the type of --dtype."""
    context: ContextName = "pad"
    """Whisper only. pad: 30 s, as it was trained, trimmed again; fit: only the utterance, about
    ten times faster for short ones, with other activations."""
    functionals_only: bool = False
    """Keep only mean and std of each utterance and layer, as `tokser pool` would write them:
    kilobytes for megabytes, enough for `tokser classify`."""
    device: Device = "auto"
    """Device to compute on; auto: a GPU where there is one."""
    scheduler: Scheduler = None
    """Address of a Dask scheduler whose workers run the encoders; they need to see the same paths.
    Needs tokser[cluster]."""
    cluster: Cluster = None
    """Cluster file (Slurm, SGE, PBS; see pipelines/clusters): its jobs are queued and do the
    encoders. Needs tokser[cluster]."""
