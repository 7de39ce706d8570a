from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import tokser
from tokser.config import AlignSettings, PoolSettings
from tokser.errors import (
    MissingInputError,
    SettingsError,
    StoreIncompleteError,
    StoreMismatchError,
)
from tokser.pretrain.aligner import AlignerInput
from tokser.pretrain.checkpoint import AlignerDescription, load_aligner, save_aligner
from tokser.pretrain.variants import ALIGNERS, build_aligner
from tokser.stages.align import align
from tokser.stages.pool import pool
from tokser.store import FeatureSpec

SPEECH, TEACHER, QUERIES = "whisper-tiny/layer-2", "bert-tiny/contextual", "bert-tiny/word"
SPEECH_DIM, TEXT_DIM, NUM_UTTERANCES = 8, 6, 12
DEAF, MUTE, EMPTY = 3, 5, 7
"""Positions: no speech, no text, no word besides [CLS] and [SEP]."""


class Aligned:
    """A store with speech and text, and a run whose aligner was trained on such."""

    def __init__(self, stores) -> None:
        self.stores, self.table = stores, stores.manifest(NUM_UTTERANCES)
        self.run, self.path = stores.folder / "runs" / "base", stores.folder / "toy.zarr"

    def write(
        self, *, with_speech: bool = True, seal: bool = True, weights: str = "w"
    ) -> "Aligned":
        plans = {
            "speech": self.stores.plan(
                self.table, features={"layer-2": SPEECH_DIM}, weights_sha256=weights
            ),
            "text": self._text_plan(),
        }
        with self.stores.writer(self.table, name=self.path.name) as writer:
            if with_speech:
                self._commit(writer.plan_group(plans["speech"]), plans["speech"], DEAF, seal)
            group = writer.plan_group(plans["text"])
            self._commit(group, plans["text"], MUTE, True)
            keys = np.arange(9, dtype=np.int32)
            table = np.random.default_rng(0).normal(size=(9, TEXT_DIM)).astype(np.float16)
            group.put_lookup("word", ids="token_ids", keys=keys, table=table)
        return self

    def _text_plan(self):
        lengths = np.array([2 if i == EMPTY else 3 + i % 4 for i in range(NUM_UTTERANCES)])
        plan = self.stores.plan(
            self.table,
            name="bert-tiny",
            features={"contextual": TEXT_DIM},
            kind="text",
            lengths=lengths,
            tokenizer_digest="t",
        )
        specs = plan.features | {"token_ids": FeatureSpec(dim=None, dtype="int32")}
        return plan.model_copy(update={"features": specs})

    def _commit(self, group, plan, left_out: int, seal: bool) -> None:
        for shard, features in group.pending().items():
            if shard and not seal:
                return
            places = range(*group.layout.shard_utterances(shard))
            rows = {f: [self._rows(plan, f, i, left_out) for i in places] for f in features}
            reasons = {f"utt{i:03d}": "truncated FLAC" for i in places if i == left_out}
            group.commit(shard, rows, reasons)

    def _rows(self, plan, feature: str, place: int, left_out: int):
        if place == left_out:
            return None
        if feature == "token_ids":
            rng = np.random.default_rng(place)
            return rng.integers(0, 9, int(plan.lengths[place])).astype(np.int32)
        return self.stores.rows(plan, feature, place)

    def train(self, *, seed: int = 0, variant="paper", options=None, **changes) -> "Aligned":
        torch.manual_seed(seed)
        description = AlignerDescription(
            name="base",
            variant=variant,
            options=options or {},
            text_dim=TEXT_DIM,
            speech_dim=SPEECH_DIM,
            special_tokens=True,
            features={"speech": SPEECH, "queries": QUERIES, "teacher": TEACHER},
            provenance={
                "speech": {"model": "whisper-tiny", "weights_sha256": "w"},
                "queries": {"model": "bert-tiny", "tokenizer_digest": "t"},
                "teacher": {"model": "bert-tiny", "tokenizer_digest": "t"},
            },
            best_epoch=1,
            scores={},
        )
        aligner = build_aligner(variant, TEXT_DIM, SPEECH_DIM, 1, options or {})
        save_aligner(self.run, aligner.state_dict(), replace(description, **changes))
        self.weights = {k: v.double().numpy() for k, v in aligner.state_dict().items()}
        return self

    def align(self, checkpoint: Path | None = None, **changes) -> str:
        values = {"store": str(self.path), "checkpoint": checkpoint or self.run, "device": "cpu"}
        return align(AlignSettings(**(values | changes)))

    def expected(self, utterance: str) -> np.ndarray:
        """The student tokens, in numpy, of one utterance alone."""
        store = tokser.open_store(self.path)
        speech, queries = (store[f][utterance].astype(np.float64) for f in (SPEECH, QUERIES))
        w = self.weights
        scores = np.exp((queries @ w["w_q"]) @ (speech @ w["w_k"]).T)
        return scores / scores.sum(1, keepdims=True) @ (speech @ w["w_v"])


@pytest.fixture
def toy(stores) -> Aligned:
    return Aligned(stores).write().train()


def test_aligned_rows_equal_numpy(toy):
    assert toy.align(batch_size=5) == "base/aligned"
    layer = tokser.open_store(toy.path)["base/aligned"]
    assert (layer.kind, layer.dim, layer.dtype) == ("aligned", TEXT_DIM, np.float16)
    for utterance in layer.ids:
        np.testing.assert_allclose(layer[utterance], toy.expected(utterance), rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("variant", ALIGNERS)
def test_any_variant_equals_its_plain_form_on_one_utterance(stores, variant):
    options = {"heads": 2} if variant in ("sunder", "listener") else {}
    toy = Aligned(stores).write().train(variant=variant, options=options)
    assert toy.align(batch_size=5) == "base/aligned"
    store, (aligner, description) = tokser.open_store(toy.path), load_aligner(toy.run)
    assert (description.variant, description.options) == (variant, options)
    for utterance in store["base/aligned"].ids:
        rows = (store[name].ragged([utterance]) for name in (QUERIES, SPEECH))
        (queries, speech) = ((torch.from_numpy(r.rows).float(), r.lengths) for r in rows)
        alone = AlignerInput(
            queries[0], torch.from_numpy(queries[1]), speech[0][None], torch.from_numpy(speech[1])
        )
        expected = aligner.forward_plainly(alone).numpy()
        found = store["base/aligned"][utterance]
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)


def test_there_is_a_row_per_token_of_usable_utterances(toy):
    toy.align()
    store = tokser.open_store(toy.path)
    usable = [f"utt{i:03d}" for i in range(NUM_UTTERANCES) if i not in (DEAF, MUTE)]
    layer = store["base/aligned"]
    assert layer.ids == usable
    assert layer.lengths.tolist() == store[TEACHER].lengths[usable].tolist()


def test_without_special_tokens_first_and_last_are_left_out(toy):
    toy.train(special_tokens=False).align()
    layer = tokser.open_store(toy.path)["base/aligned"]
    np.testing.assert_allclose(layer["utt000"], toy.expected("utt000")[1:-1], rtol=2e-3, atol=2e-3)
    assert layer.quarantined[f"utt{EMPTY:03d}"] == "no token besides [CLS] and [SEP]"


def test_quarantine_keeps_the_reason_and_its_feature(toy):
    toy.align()
    assert tokser.open_store(toy.path)["base/aligned"].quarantined == {
        f"utt{DEAF:03d}": f"{SPEECH}: truncated FLAC",
        f"utt{MUTE:03d}": f"{TEACHER}: truncated FLAC",
    }


def test_the_size_of_a_batch_changes_nothing(stores):
    toy = Aligned(stores).write().train()
    toy.align(batch_size=1)
    one = {u: r.copy() for u, r in each(tokser.open_store(toy.path)["base/aligned"])}
    toy.path = stores.folder / "again.zarr"
    toy.write().align(batch_size=64)
    for utterance, rows in each(tokser.open_store(toy.path)["base/aligned"]):
        np.testing.assert_allclose(rows, one[utterance], rtol=2e-3, atol=1e-4)


def each(layer):
    return ((utterance, layer[utterance]) for utterance in layer.ids)


def test_a_second_call_has_nothing_to_do(toy, capsys):
    toy.align()
    before = {file: file.stat().st_mtime_ns for file in toy.path.rglob("*") if file.is_file()}
    assert toy.align() == "base/aligned"
    assert "base/aligned: already in" in capsys.readouterr().err
    after = {file: file.stat().st_mtime_ns for file in toy.path.rglob("*") if file.is_file()}
    assert after == before


@pytest.mark.parametrize("way", ["base/", ".", "../base"])
def test_the_run_has_its_name_however_its_folder_is_written(toy, monkeypatch, way):
    monkeypatch.chdir(toy.run if way == "." else toy.run.parent)
    checkpoint = Path("../runs/base") if way.startswith("..") else Path(way)
    assert toy.align(checkpoint) == "base/aligned"


def test_what_was_aligned_pools_like_any_other_feature(toy):
    toy.align()
    pool(PoolSettings(store=str(toy.path), features=("base/aligned",)))
    layer = tokser.open_store(toy.path)["base/aligned"]
    table = layer.functionals()
    assert list(table.index) == layer.ids
    np.testing.assert_allclose(
        table.loc["utt000"].to_numpy()[:TEXT_DIM], layer["utt000"].astype(float).mean(0), rtol=1e-5
    )


def test_features_of_another_model_are_refused_naming_both(stores):
    toy = Aligned(stores).write(weights="others").train()
    with pytest.raises(
        StoreMismatchError,
        match=rf"{SPEECH}: expected weights_sha256 w as at training, got weights_sha256 others",
    ):
        toy.align()
    assert "base/aligned" not in tokser.open_store(toy.path)


def test_another_aligner_of_the_same_name_is_refused(toy):
    toy.align()
    with pytest.raises(
        StoreMismatchError, match=r"base: expected weights_sha256 .* as in the store"
    ):
        toy.train(seed=1).align()


def test_a_store_that_lacks_a_feature_says_which(stores):
    toy = Aligned(stores).write(with_speech=False).train()
    with pytest.raises(SettingsError, match=rf"{TEACHER}.*got '{SPEECH}'"):
        toy.align()


def test_an_incomplete_feature_is_refused(stores, monkeypatch):
    plan = stores.plan
    monkeypatch.setattr(stores, "plan", lambda *args, **kw: plan(*args, shard_bytes=1_000, **kw))
    toy = Aligned(stores).write(seal=False).train()
    with pytest.raises(StoreIncompleteError, match=SPEECH):
        toy.align()


def test_a_folder_without_a_run_is_refused(toy, tmp_path):
    with pytest.raises(MissingInputError, match="a finished pretraining run"):
        toy.align(tmp_path / "elsewhere")
