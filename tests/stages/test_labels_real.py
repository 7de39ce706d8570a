"""Planted label errors in real recordings, by the real Whisper-base: a small bench_labels."""

from collections import defaultdict

import numpy as np
import pytest

import tokser
from tokser.config import ExtractSettings
from tokser.stages.extract import extract
from tokser.stages.update import update

SPEAKERS, EMOTIONS, NUM_EACH = ("03", "08", "13", "14"), "WTN", 5
NUM_WRONG = 6


@pytest.fixture(scope="module")
def store(real_data, tmp_path_factory):
    """Anger, sadness and neutral of four speakers, layer 3; a tenth of the labels is wrong."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "root" / "wav").mkdir(parents=True)
    taken = defaultdict(int)
    for path in sorted((real_data / "data" / "emodb" / "wav").glob("*.wav")):
        kind = path.name[:2], path.name[5]
        if kind[0] in SPEAKERS and kind[1] in EMOTIONS and taken[kind] < NUM_EACH:
            taken[kind] += 1
            (folder / "root" / "wav" / path.name).symlink_to(path)
    store = str(folder / "emodb.zarr")
    settings = {"root": folder / "root", "layers": "3", "context": "fit"}
    encoder = str(real_data / "models" / "whisper-base")
    extract(
        ExtractSettings(
            dataset="emodb", store=store, encoders=(encoder,), functionals_only=True, **settings
        )
    )
    return store


def test_most_planted_errors_are_among_the_first(store, tmp_path):
    opened = tokser.open_store(store)
    table, true = opened.utterances.copy(), opened.utterances["label"]
    rng = np.random.default_rng(0)
    wrong = rng.choice(table.index, NUM_WRONG, replace=False)
    for name in wrong:
        table.loc[name, "label"] = rng.choice(sorted(set(true) - {true[name]}))
    table = table.drop(columns="recognition_percent").assign(recognition_percent="")
    table[list(opened.utterances)].to_csv(tmp_path / "m.csv")
    update(store, tmp_path / "m.csv")
    found = tokser.labels(store, num_neighbours=5).doubtful
    first = found.head(NUM_WRONG)
    assert len(set(first["id"]) & set(wrong)) >= NUM_WRONG - 2
    assert len(set(found["id"].head(2 * NUM_WRONG)) & set(wrong)) >= NUM_WRONG - 1
    caught = first[first["id"].isin(wrong)]
    assert (caught["suggested_label"] == true.loc[caught["id"]].to_numpy()).mean() > 0.7
