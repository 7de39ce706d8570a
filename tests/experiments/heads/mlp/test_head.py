import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import recall_score

from tokser.config import GridSettings
from tokser.experiments.classification import Classification
from tokser.experiments.heads.mlp import groups
from tokser.experiments.heads.mlp.batched import predict, refit_batched, train_batched
from tokser.experiments.heads.mlp.fold import Fold, Trained
from tokser.experiments.heads.mlp.model import initialise
from tokser.experiments.heads.registry import HEADS
from tokser.experiments.search import search
from tokser.experiments.splits.protocols import make_splits
from tokser.experiments.statistics.crossfit import HalfScores, halves_of
from tokser.experiments.training_data import TrainingData

CPU = torch.device("cpu")
GRID = GridSettings(batch_sizes=(4, 16), learning_rates=(1e-3, 1e-2), hidden=(8, 6), epochs=4)
CLASSES = ("anger", "neutral", "sadness")


def num_models(splits, grid, *, refit=True):
    return HEADS["mlp"].num_models(len(splits), grid, refit=refit)


class Corpus:
    """Four speakers, three emotions, functionals that tell the emotions apart a little."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        ids = pd.Index([f"utt{i:02d}" for i in range(48)], name="id")
        labels = [CLASSES[i % 3] for i in range(48)]
        centres = dict(zip(CLASSES, rng.normal(size=(3, 10)), strict=True))
        values = [centres[label] + 1.1 * rng.normal(size=10) for label in labels]
        self.functionals = pd.DataFrame(np.array(values, dtype=np.float32), index=ids)
        self.table = pd.DataFrame(
            {"label": labels, "speaker": [f"s{i % 4}" for i in range(48)], "session": ""},
            index=ids,
        )
        self.labels = self.table["label"]
        self.splits = make_splits("speaker", self.table, seed=0)

    def search(self, *, grid=GRID, functionals=None, splits=None, **kwargs):
        data = TrainingData(
            Classification(),
            self.functionals if functionals is None else functionals,
            self.labels,
            self.splits if splits is None else splits,
            grid,
            seed=0,
            rounding=kwargs.pop("rounding", None),
        )
        return search(HEADS["mlp"], data, **kwargs)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus()


@pytest.fixture(scope="module")
def found(corpus):
    return corpus.search()


def fake_training(monkeypatch, dev_uar):
    """Let every model's dev UAR be what `dev_uar(fold, batch size, learning rate)` says."""

    def train(
        folds, learning_rates, *, batch_size, hidden, num_classes, settings, seed, device, objective
    ):
        del settings, seed, device
        widths = (folds[0].train.shape[1], *hidden, num_classes)
        seeds = [
            (fold.number, batch_size, round(1e4 * rate))
            for fold, rate in zip(folds, learning_rates, strict=True)
        ]
        told = [dev_uar(number, size, rate / 1e4) for number, size, rate in seeds]
        halves = HalfScores(np.zeros((len(folds), 2)), np.ones((len(folds), 2, 3, 3), dtype=int))
        epochs = np.ones(len(folds), dtype=np.int64)
        parameters = initialise(widths, seeds)
        return Trained(parameters, epochs, np.array(told), np.array([learning_rates]), halves)

    monkeypatch.setattr(groups, "train_batched", train)


def selected(found):
    chosen = found.trials[found.trials["selected"]].set_index("fold")
    return {
        fold: (int(row["batch_size"]), float(row["learning_rate"]))
        for fold, row in chosen.iterrows()
    }


def test_every_point_of_every_fold_is_in_the_trials_once(corpus, found):
    assert list(found.trials.columns) == [
        "fold", "batch_size", "learning_rate", "hidden", "best_epoch", "dev_uar",
        "dev_uar_crossfit", "selected", "num_constant",
    ]  # fmt: skip
    points = list(zip(*(found.trials[c] for c in found.trials.columns[:3]), strict=True))
    assert len(points) == len(set(points)) == 16
    assert num_models(corpus.splits, GRID) == 16 + 4  # each fold trains one again
    assert num_models(corpus.splits, GRID, refit=False) == 16
    assert (found.trials["num_constant"] == 0).all()
    assert found.trials["best_epoch"].between(1, 4).all()


def test_each_fold_selects_the_best_of_its_own_dev(found):
    for _, trials in found.trials.groupby("fold"):
        (chosen,) = trials.index[trials["selected"]]
        assert chosen == trials["dev_uar"].idxmax()


def test_one_folds_dev_does_not_choose_for_another(corpus, monkeypatch):
    best = {0: (4, 1e-2), 1: (16, 1e-3), 2: (4, 1e-3), 3: (16, 1e-2)}
    fake_training(
        monkeypatch, lambda number, size, rate: 0.4 + 0.1 * ((size, rate) == best[number])
    )
    assert selected(corpus.search()) == {f"s{number}": point for number, point in best.items()}


def test_ties_go_to_the_first_in_the_order_of_the_grid(corpus, monkeypatch):
    fake_training(monkeypatch, lambda number, size, rate: 0.5 * ((size, rate) != (4, 1e-3)))
    assert set(selected(corpus.search()).values()) == {(4, 1e-2)}
    grid = GRID.model_copy(update={"batch_sizes": (16, 4), "learning_rates": (1e-2, 1e-3)})
    assert set(selected(corpus.search(grid=grid)).values()) == {(16, 1e-2)}


def test_a_dev_uar_of_0_everywhere_still_selects(corpus, monkeypatch):
    fake_training(monkeypatch, lambda number, size, rate: 0.0)
    assert set(selected(corpus.search()).values()) == {(4, 1e-3)}


def selected_trial(found, split):
    return found.trials[(found.trials["fold"] == split.fold) & found.trials["selected"]].iloc[0]


def scaled_parts(corpus, fitted, *parts):
    """Functionals, scaled by those of `fitted`, and class numbers of each part."""
    values = corpus.functionals.loc[list(fitted)].to_numpy(dtype=np.float64)
    mean, scale = values.mean(axis=0), values.std(axis=0)
    for part in parts:
        ids = list(part)
        numbers = [CLASSES.index(label) for label in corpus.labels.loc[ids]]
        scaled = (corpus.functionals.loc[ids].to_numpy(dtype=np.float64) - mean) / scale
        yield scaled.astype(np.float32), np.array(numbers)


def probabilities_of(found, split):
    own = found.predictions[found.predictions["fold"] == split.fold].set_index("id")
    return own.loc[list(split.test), [f"probability_{name}" for name in CLASSES]]


def train_again(corpus, found, number, split, settings=GRID):
    """Train what a fold selected, on its train part, from its numbers alone."""
    trial = selected_trial(found, split)
    (train, labels), (dev, dev_labels) = scaled_parts(corpus, split.train, split.train, split.dev)
    half = halves_of(split.dev, dev_labels.tolist())
    return train_batched(
        [Fold(number, train, labels, dev, dev_labels, half)],
        [float(trial["learning_rate"])],
        batch_size=int(trial["batch_size"]),
        hidden=settings.hidden,
        num_classes=3,
        settings=settings,
        seed=0,
        device=CPU,
    )


def test_without_a_refit_the_best_epoch_predicts(corpus, found):
    counts = []
    plain = corpus.search(refit=False, on_models=counts.append)
    assert sum(counts) == 16
    pd.testing.assert_frame_equal(plain.trials, found.trials)
    for number, split in enumerate(corpus.splits):
        trained = train_again(corpus, plain, number, split)
        assert trained.best_epoch[0] == selected_trial(plain, split)["best_epoch"]
        ((test, _),) = scaled_parts(corpus, split.train, split.test)
        expected = predict(trained.parameters, torch.from_numpy(test)[None])[0]
        np.testing.assert_allclose(probabilities_of(plain, split), expected, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["batched", "compiled"])
def test_what_is_selected_is_trained_again_on_train_and_dev(monkeypatch, form):
    """For as many epochs, with the learning rates that the plateau had brought about."""
    monkeypatch.setattr(groups, "COMPILED_WORK", 0 if form == "compiled" else np.inf)
    grid = GRID.model_copy(update={"epochs": 8, "plateau_patience": 1, "plateau_factor": 0.5})
    corpus = Corpus()
    corpus.functionals += 2 * np.random.default_rng(4).normal(size=(48, 10)).astype(np.float32)
    found, fallen = corpus.search(grid=grid), 0
    for number, split in enumerate(corpus.splits):
        trial, known = selected_trial(found, split), [*split.train, *split.dev]
        rates = train_again(corpus, found, number, split, grid).schedule(0)
        assert len(rates) == trial["best_epoch"]
        fallen += rates[-1] < rates[0]
        (both, labels), (test, _) = scaled_parts(corpus, known, known, split.test)
        none = np.empty(0, dtype=int)
        parameters = refit_batched(
            [Fold(number, both, labels, both[:0], none, none)],
            [rates],
            batch_size=int(trial["batch_size"]),
            hidden=grid.hidden,
            num_classes=3,
            settings=grid,
            seed=0,
            device=CPU,
        )
        expected = predict(parameters, torch.from_numpy(test)[None])[0]
        np.testing.assert_allclose(probabilities_of(found, split), expected, atol=1e-4)
    assert fallen  # or the case would not tell a schedule from none


@pytest.mark.slow
def test_the_score_by_halves_stands_beside_what_was_selected(corpus, found):
    told = found.trials["dev_uar_crossfit"]
    assert told.notna().tolist() == found.trials["selected"].tolist()
    points = found.trials.drop_duplicates(["batch_size", "learning_rate"])
    for number, split in enumerate(corpus.splits):
        (train, labels), (dev, known) = scaled_parts(corpus, split.train, split.train, split.dev)
        half = halves_of(split.dev, known.tolist())
        guesses = []  # of every point, every epoch: that many models of one, two... epochs
        for point in points.itertuples():
            for epochs in range(1, GRID.epochs + 1):
                # The last of so many epochs, whatever dev says: a refit on train.
                none = np.empty(0, dtype=int)
                parameters = refit_batched(
                    [Fold(number, train, labels, train[:0], none, none)],
                    [[point.learning_rate] * epochs],
                    batch_size=int(point.batch_size),
                    hidden=GRID.hidden,
                    num_classes=3,
                    settings=GRID,
                    seed=0,
                    device=CPU,
                )
                guesses.append(predict(parameters, torch.from_numpy(dev)[None])[0].argmax(axis=1))
        together = np.empty(len(known), dtype=int)
        for h in (0, 1):
            mine = half == h
            reached = [recall_score(known[mine], g[mine], average="macro") for g in guesses]
            together[~mine] = guesses[int(np.argmax(reached))][~mine]
        expected = recall_score(known, together, average="macro")
        assert selected_trial(found, split)["dev_uar_crossfit"] == pytest.approx(expected)


def test_small_groups_find_what_one_group_finds(corpus, found, monkeypatch):
    monkeypatch.setattr(groups, "GROUP_BYTES", 3 * 5 * 4 * (10 * 8 + 8 * 6 + 6 * 3))
    sizes = []
    small = corpus.search(on_models=sizes.append)
    again = small.trials.loc[small.trials["selected"], "batch_size"].value_counts()
    refits = [min(3, n - i) for _, n in sorted(again.items()) for i in range(0, n, 3)]
    assert sizes[:6] == [3, 3, 2, 3, 3, 2]
    assert sorted(sizes[6:]) == sorted(refits)
    pd.testing.assert_frame_equal(small.trials, found.trials)
    pd.testing.assert_frame_equal(small.predictions, found.predictions, rtol=1e-4, atol=1e-5)


def test_all_models_are_counted(corpus):
    sizes = []
    corpus.search(on_models=sizes.append)
    assert sum(sizes) == num_models(corpus.splits, GRID)
    assert sizes[:2] == [8, 8]  # as many groups as batch sizes
    assert sum(sizes[2:]) == 4


def test_each_test_part_is_evaluated_with_the_selected_point(corpus, found):
    evaluated = []
    corpus.search(before_test=lambda told: evaluated.extend((s.fold, chosen) for s, chosen in told))
    points = selected(found)
    assert evaluated == [
        (split.fold, dict(zip(("batch_size", "learning_rate"), points[split.fold], strict=True)))
        for split in corpus.splits
    ]
    assert all(isinstance(chosen["batch_size"], int) for _, chosen in evaluated)


def test_widths_are_an_axis_and_a_selected_one_is_told(corpus):
    grid = GRID.model_copy(update={"hidden": ((8, 6), (), (12,))})
    evaluated = []
    found = corpus.search(
        grid=grid, before_test=lambda told: evaluated.extend(chosen for _, chosen in told)
    )
    assert set(found.trials["hidden"]) == {"8-6", "linear", "12"}
    assert len(found.trials) == num_models(corpus.splits, grid, refit=False) == 48
    told = found.trials[found.trials["selected"]]
    told = told.sort_values("fold")  # the order of the splits
    assert [entry["hidden"] for entry in evaluated] == told["hidden"].tolist()


def test_large_work_is_compiled_and_finds_the_same(corpus, found, monkeypatch):
    monkeypatch.setattr(groups, "COMPILED_WORK", 0)
    counts = []
    compiled = corpus.search(on_models=counts.append)
    assert sum(counts) == num_models(corpus.splits, GRID)
    pd.testing.assert_frame_equal(compiled.trials, found.trials)
    pd.testing.assert_frame_equal(compiled.predictions, found.predictions, rtol=1e-4, atol=1e-5)
