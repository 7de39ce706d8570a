"""Other ways to keep ragged activations on a disk, each reading utterances to numpy arrays.

A peer is a function that writes a corpus to a folder and returns its reader: positions in, arrays
out, in that order. It raises `ImportError` where its package is not installed.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import torch
import zarr
from store_data import DIM, FEATURE, Corpus

from tokser.store import open_store

Read = Callable[[Sequence[int]], Iterator[np.ndarray]]


def tokser_copy(store: Path, corpus: Corpus) -> Read:
    layer, names = open_store(store)[FEATURE], corpus.names
    return lambda order: (np.array(layer[names[i]]) for i in order)


def tokser_view(store: Path, corpus: Corpus) -> Read:
    layer, names = open_store(store)[FEATURE], corpus.names
    return lambda order: (layer[names[i]] for i in order)


def memory_map(folder: Path, corpus: Corpus) -> Read:
    np.save(folder / "flat.npy", corpus.flat)
    mapped = np.load(folder / "flat.npy", mmap_mode="r")
    starts, lengths = corpus.starts, corpus.lengths.tolist()
    return lambda order: (np.array(mapped[starts[i] : starts[i] + lengths[i]]) for i in order)


def zarr_plain(store: Path, corpus: Corpus) -> Read:
    return _zarr_reader(store, corpus)


def zarrs_pipeline(store: Path, corpus: Corpus) -> Read:
    import zarrs  # noqa: F401  registers the pipeline

    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
        return _zarr_reader(store, corpus)


def _zarr_reader(store: Path, corpus: Corpus) -> Read:
    array = zarr.open_array(store / FEATURE / "rows", mode="r")
    starts, lengths = _stored(store)
    return lambda order: (np.asarray(array[starts[i] : starts[i] + lengths[i]]) for i in order)


def tensorstore_zarr(store: Path, corpus: Corpus) -> Read:
    import tensorstore

    place = {"driver": "file", "path": str(store / FEATURE / "rows")}
    spec = {"driver": "zarr3", "kvstore": place, "recheck_cached_metadata": "open"}
    array = tensorstore.open(spec, read=True).result()
    starts, lengths = _stored(store)
    return lambda order: (
        np.asarray(array[starts[i] : starts[i] + lengths[i]].read().result()) for i in order
    )


def _stored(store: Path) -> tuple[list[int], list[int]]:
    layout = open_store(store)[FEATURE].layout
    return layout.row_starts.tolist(), layout.row_lengths.tolist()


def h5py_datasets(folder: Path, corpus: Corpus) -> Read:
    with h5py.File(folder / "datasets.h5", "w") as file:
        for position, name in enumerate(corpus.names):
            file[name] = corpus.rows(position)
    opened, names = h5py.File(folder / "datasets.h5", "r"), corpus.names
    return lambda order: (opened[names[i]][()] for i in order)


def hugging_face_numpy(folder: Path, corpus: Corpus) -> Read:
    table = _hugging_face(folder, corpus).with_format("numpy", dtype=np.float16)
    return lambda order: (table[i]["rows"].reshape(-1, DIM) for i in order)


def hugging_face_arrow(folder: Path, corpus: Corpus) -> Read:
    table = _hugging_face(folder, corpus).with_format("arrow")
    return lambda order: (
        np.array(table[i]["rows"].chunk(0).flatten().to_numpy()).reshape(-1, DIM) for i in order
    )


def _hugging_face(folder: Path, corpus: Corpus):
    import datasets

    path = folder / "huggingface"
    if not path.exists():
        datasets.disable_progress_bars()
        ends = np.cumsum(corpus.lengths * DIM)
        offsets = pa.array(np.append(0, ends), type=pa.int32())
        rows = pa.ListArray.from_arrays(offsets, pa.array(corpus.flat.reshape(-1)))
        datasets.Dataset(pa.table({"rows": rows})).save_to_disk(path)
    return datasets.load_from_disk(path)


def webdataset_tar(folder: Path, corpus: Corpus) -> Read:
    import webdataset

    with webdataset.TarWriter(str(folder / "samples.tar")) as sink:
        for position, name in enumerate(corpus.names):
            sink.write({"__key__": name, "rows.npy": corpus.rows(position)})
    source = webdataset.WebDataset(str(folder / "samples.tar"), shardshuffle=False).decode()
    return lambda order: (sample["rows.npy"] for sample in source)


def lhotse_hdf5(folder: Path, corpus: Corpus) -> Read:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own dependencies
        from lhotse.features.io import NumpyHdf5Reader, NumpyHdf5Writer
    with NumpyHdf5Writer(folder / "lhotse.h5") as sink:
        for position, name in enumerate(corpus.names):
            sink.write(name, corpus.rows(position))
    source, names = NumpyHdf5Reader(folder / "lhotse.h5"), corpus.names
    return lambda order: (source.read(names[i]) for i in order)


def torch_files(folder: Path, corpus: Corpus) -> Read:
    for position, name in enumerate(corpus.names):
        torch.save(torch.from_numpy(corpus.rows(position).copy()), folder / f"{name}.pt")
    files = [str(folder / f"{name}.pt") for name in corpus.names]
    return lambda order: (torch.load(files[i], weights_only=True).numpy() for i in order)


OF_THE_STORE = {
    "zarr-python": zarr_plain,
    "zarrs": zarrs_pipeline,
    "tensorstore": tensorstore_zarr,
}
"""Peers that read the very store, by the package that they need."""

OF_A_FOLDER = {
    "h5py, a dataset per utterance": h5py_datasets,
    "Hugging Face datasets, numpy format": hugging_face_numpy,
    "Hugging Face datasets, arrow format": hugging_face_arrow,
    "webdataset (in the file's order)": webdataset_tar,
    "lhotse NumpyHdf5": lhotse_hdf5,
    "torch.load, a file per utterance": torch_files,
}
"""Peers with files of their own."""
