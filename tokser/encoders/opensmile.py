"""openSMILE: hand-crafted descriptors as frames, and its own functionals of whole utterances."""

import functools
import warnings
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import metadata
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tokser.encoders.base import Activations, StoredDtype, StoredRows
from tokser.encoders.few_at_once import few_at_once
from tokser.encoders.opensmile_licence import LICENCE
from tokser.encoders.row_formula import learn_row_formula
from tokser.errors import MissingPackageError, RunError, SettingsError
from tokser.progress import say
from tokser.provenance import COLUMNS
from tokser.threads import num_threads

__all__ = ["OpenSmileEncoder", "load_opensmile"]

SAMPLING_RATE_HZ = 16_000
LLD, FUNCTIONALS = "lld", "functionals"
_LEVELS = ("LowLevelDescriptors", "Functionals")
_NAMES = {"eGeMAPSv02": "egemaps", "ComParE_2016": "compare-2016"}
_PROBED = SAMPLING_RATE_HZ // 2
"""Length of the longest waveform whose frames are counted to learn how many others have."""
_MOST_COLUMNS = 1_000
"""Names of columns that provenance keeps; ComParE's 6,373 would be most of a store's documents."""
_LOUDEST = 1 - 2.0**-15
"""Of a sample: openSMILE takes 16 bits, and lets louder ones wrap around."""
_Matrix: TypeAlias = NDArray[np.float32]


def load_opensmile(feature_set: str) -> "OpenSmileEncoder":
    """Return the encoder of a feature set, and name the licence that its use is bound to.

    Args:
        feature_set: Name in the package `opensmile`, for instance `eGeMAPSv02`.

    Raises:
        MissingPackageError: The package is not installed.
        SettingsError: It has no such feature set.
    """
    try:
        import opensmile
    except (ImportError, OSError) as error:
        raise MissingPackageError(
            f"--encoder opensmile:{feature_set}",
            expected="the package opensmile",
            got=f"none that can be imported ({error})",
            remedy="Install it: pip install 'tokser[opensmile]'. It is under the "
            f"{LICENCE}, not under tokser's licence.",
        ) from error
    with warnings.catch_warnings(record=True) as caught:  # deprecated sets
        warnings.simplefilter("always")
        names = [one.name for one in opensmile.FeatureSet]
        if feature_set not in names:
            raise SettingsError(
                f"--encoder opensmile:{feature_set}",
                expected=f"a feature set of opensmile: {', '.join(names)}",
                got=repr(feature_set),
                remedy="Name one of these, for instance opensmile:eGeMAPSv02.",
            )
        encoder = OpenSmileEncoder(feature_set)
    for one in dict.fromkeys(str(warning.message) for warning in caught):
        say(f"opensmile: {one}")
    say(f"opensmile {metadata.version('opensmile')} is under the {LICENCE}")
    return encoder


class OpenSmileEncoder:
    """A feature set of openSMILE: the layers `lld` (frames) and `functionals` (one row).

    Functionals are computed with the frames, at extraction: openSMILE's depend on deltas and on
    which frames are voiced, and so not on the stored descriptors alone. Descriptors differ by
    orders of magnitude, so both are stored in float32.

    Utterances are computed in parallel, by a thread for each core.

    Source: Eyben et al. 2010; eGeMAPS: Eyben et al. 2016; ComParE: Schuller et al. 2016.
    """

    kind: Literal["speech"] = "speech"
    num_layers = 1
    separate_last = False
    layer_names = (LLD, FUNCTIONALS)
    default_layers = (0, 1)
    utterance_level = (1,)
    stored_dtype: StoredDtype = "float32"

    def __init__(self, feature_set: str) -> None:
        import opensmile

        self.feature_set = feature_set
        self.name = _NAMES.get(feature_set, feature_set.lower().replace("_", "-"))
        self._extractors = [
            opensmile.Smile(
                feature_set=opensmile.FeatureSet[feature_set],
                feature_level=opensmile.FeatureLevel[level],
                sampling_rate=SAMPLING_RATE_HZ,
            )
            for level in _LEVELS
        ]
        self.dims = {n: len(one.feature_names) for n, one in enumerate(self._extractors)}
        self.dim = self.dims[0]
        self._counted: dict[int, int] = {}
        self._formula = learn_row_formula(self._count, _PROBED)
        self.min_samples = self._formula.min_samples if self._formula else _PROBED

    @functools.cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(num_threads(), thread_name_prefix="opensmile")

    def provenance(self) -> dict[str, Any]:
        """Feature set, version of openSMILE, licence, and names of the columns."""
        columns = {
            name: list(one.feature_names)
            for name, one in zip(self.layer_names, self._extractors, strict=True)
            if len(one.feature_names) <= _MOST_COLUMNS
        }
        return {
            "model": self.feature_set,
            "model_type": "opensmile",
            "revision": "",
            "opensmile": metadata.version("opensmile"),
            "licence": LICENCE,
            "precision": "float32",
            "sampling_rate_hz": SAMPLING_RATE_HZ,
            COLUMNS: columns,
        }

    def provenance_of_long(self, num_samples: int) -> dict[str, Any]:
        """Nothing: recordings are never cut."""
        return {}

    def num_frames(self, num_samples: int) -> int:
        """Frames of a waveform, 10 ms each, as counted for short ones."""
        if self._formula is not None:
            return self._formula(num_samples)
        if num_samples not in self._counted:
            self._counted[num_samples] = self._count(num_samples)
        return self._counted[num_samples]

    def batches(self, num_samples: Sequence[int], batch_seconds: float) -> list[list[int]]:
        """Put a few waveforms into each batch; each is computed alone, so none changes another."""
        return few_at_once(num_samples, batch_seconds * SAMPLING_RATE_HZ)

    def encode(
        self, waveforms: Sequence[NDArray[np.float32]], layers: Sequence[int]
    ) -> list[Activations]:
        """Return descriptors [num_frames, dim] and functionals [1, dim] of each waveform."""
        return self.forward(self.prepare(waveforms), layers).fetch()

    def prepare(self, inputs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Limit samples to what 16 bits hold."""
        return [np.clip(waveform, -1.0, _LOUDEST) for waveform in inputs]

    def forward(
        self,
        prepared: Sequence[NDArray[np.float32]],
        layers: Sequence[int],
        dtype: StoredDtype = "float32",
    ) -> "_OpenSmileOutput":
        """Begin to compute the waveforms of a batch, in threads."""
        begun = [
            {layer: self._pool.submit(self._rows, waveform, layer) for layer in layers}
            for waveform in prepared
        ]
        return _OpenSmileOutput(begun, dtype)

    def _rows(self, waveform: NDArray[np.float32], layer: int) -> _Matrix:
        found = _computed(self._extractors[layer], waveform)
        wanted = 1 if layer in self.utterance_level else self.num_frames(len(waveform))
        if len(found) != wanted:
            raise RunError(
                f"opensmile:{self.feature_set}",
                expected=f"{wanted} rows of {len(waveform)} samples, as planned",
                got=str(len(found)),
                remedy="Its counts follow no formula: please report the feature set.",
            )
        return found

    def _count(self, num_samples: int) -> int:
        noise = np.random.default_rng(0).normal(0, 0.1, num_samples).astype(np.float32)
        with warnings.catch_warnings():  # one says that it is too short, which is what is counted
            warnings.simplefilter("ignore")
            found = _computed(self._extractors[0], noise)
        return 0 if np.isnan(found).all() else len(found)


class _OpenSmileOutput:
    """Rows that are being computed in threads."""

    def __init__(self, begun: list[dict[int, Future[_Matrix]]], dtype: StoredDtype) -> None:
        self._begun, self._dtype = begun, dtype

    @property
    def num_bytes(self) -> int:
        """Memory of what is computed already."""
        rows = [one for by_layer in self._begun for one in by_layer.values()]
        return sum(one.result().nbytes for one in rows if one.done() and not one.exception())

    def fetch(self) -> list[StoredRows]:
        """Wait for the threads, and return [rows, dim] by layer for each utterance."""
        return [
            {layer: one.result().astype(self._dtype) for layer, one in by_layer.items()}
            for by_layer in self._begun
        ]

    def before_cast(self, utterance: int, layer: int) -> _Matrix:
        """Return the rows of one utterance in fp32."""
        return self._begun[utterance][layer].result()


def _computed(extractor: Any, waveform: NDArray[np.float32]) -> _Matrix:
    """Return [rows, dim] of a waveform; one row of NaN if it is too short."""
    if len(waveform) == 0:
        return np.full((1, len(extractor.feature_names)), np.nan, dtype=np.float32)
    found = extractor(waveform, SAMPLING_RATE_HZ)
    return np.ascontiguousarray(found[0].T, dtype=np.float32)
