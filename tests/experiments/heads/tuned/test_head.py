"""Tuned heads fold by fold: what they find, keep, and go on with."""

import numpy as np
import pytest

from tokser.errors import DamagedFileError, MissingInputError, SettingsError
from tokser.experiments.heads.head import Choice, Fitting
from tokser.experiments.heads.tuned import head as head_module
from tokser.experiments.heads.tuned.checkpoint import load_tuned
from tokser.experiments.heads.tuned.head import POOLINGS


def fit(made, refit=True):
    counted = []
    found = list(made.head.fit(made.data, Fitting(refit, counted.append)))
    return found, sum(counted)


@pytest.mark.parametrize("name", POOLINGS)
def test_every_head_can_be_tuned(tuned, name):
    made = tuned("tiny-whisper", head=name, mix=name != "superb", blocks_rates=(1e-3, 1e-4))
    (fold,), count = fit(made)
    assert count == 3 == made.head.num_models(1, made.data.grid)
    outputs = fold.fitted.predict(made.data, made.data.splits[0].test)
    assert outputs.shape == (3, 3)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-5)
    assert [row["selected"] for row in fold.trials].count(True) == 1
    assert {row["blocks_learning_rate"] for row in fold.trials} == {1e-3, 1e-4}


def test_folds_that_are_kept_are_not_trained_again(tuned, monkeypatch):
    made = tuned("tiny-whisper", folds=2)
    first, _ = fit(made)
    outputs = [one.fitted.predict(made.data, made.ids) for one in first]
    weights = made.settings.out / "folds" / "mean-std-f1" / "tuned.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    trained = []
    train = head_module.TunedHead._train

    def spy(self, data, number, how):
        trained.append(number)
        return train(self, data, number, how)

    monkeypatch.setattr(head_module.TunedHead, "_train", spy)
    again, _ = fit(made)
    assert trained == [1]
    for one, other in zip(outputs, again, strict=True):
        np.testing.assert_array_equal(one, other.fitted.predict(made.data, made.ids))


def test_other_settings_train_again(tuned):
    fit(tuned("tiny-whisper"))
    made = tuned("tiny-whisper", epochs=1)
    fit(made)
    _, description = load_tuned(made.settings.out / "folds" / "mean-std-f0")
    assert description.trials[0]["best_epoch"] <= 1


def test_a_class_with_one_utterance_is_trained(tuned):
    labels = ("anger",) * 5 + ("neutral",) * 5 + ("sadness",)
    (fold,), _ = fit(tuned("tiny-whisper", labels=labels, class_weights=True))
    assert np.isfinite(fold.trials[0]["dev_uar"])


def test_adapters_are_merged_into_plain_weights(tuned):
    pytest.importorskip("peft")
    made = tuned("tiny-wavlm", lora=2, blocks_rates=(3e-2,), epochs=3, probe_first=False)
    (fold,), _ = fit(made, refit=False)
    weights, description = load_tuned(fold.fitted.head.folder)
    assert description.adapters == 2
    parts = {name.split(".")[-2] for name in weights.blocks}
    assert parts == {"q_proj", "k_proj", "v_proj", "out_proj"}
    untouched = dict(made.blocks.module.named_parameters())
    moved = {
        n: float((own - untouched[n].detach()).abs().max()) for n, own in weights.blocks.items()
    }
    assert min(moved.values()) > 1e-5, moved
    assert np.isfinite(fold.fitted.predict(made.data, made.ids)).all()


def test_merged_adapters_give_the_same_outputs(tuned):
    pytest.importorskip("peft")
    from tests.experiments.heads.tuned.test_training import run_of

    for name in ("tiny-whisper", "tiny-wavlm", "tiny-bert"):
        made = tuned(name, lora=2)
        run, fold = run_of(made, rate=3e-2)
        run.train_epoch(1)
        learnt = run.weights()
        merged = made.blocks.with_weights(learnt.blocks)
        batch = run._read(fold.train.ids)
        layers = run._model.blocks.eval().ragged(batch.rows[0], batch.lengths)
        for number, rows in merged.ragged(batch.rows[0], batch.lengths).items():
            np.testing.assert_allclose(
                rows.detach().numpy(), layers[number].detach().numpy(), atol=1e-4
            )


def test_fit_says_what_to_do_instead(tuned):
    made = tuned("tiny-whisper")
    with pytest.raises(SettingsError, match="into the store with `tokser apply`"):
        made.head.fit_all(made.data, Choice(0))


def test_a_checkpoint_that_is_not_there_or_damaged_is_named(tuned, tmp_path):
    made = tuned("tiny-whisper")
    fit(made)
    out = made.settings.out
    with pytest.raises(MissingInputError, match="Name one of its folders"):
        load_tuned(out)
    (out / "folds" / "mean-std-f0" / "tuned.json").write_text("{}")
    with pytest.raises(DamagedFileError, match="same `tokser tune` again"):
        load_tuned(out / "folds" / "mean-std-f0")
