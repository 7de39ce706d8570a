"""Every head as an ONNX graph: onnxruntime computes what tokser computes."""

import json
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor

from tokser.errors import RunError, SettingsError
from tokser.experiments.feature_expressions import Early, Term
from tokser.experiments.heads.gaussian_svm import TrainingKernel
from tokser.experiments.heads.logreg import TrainedLogistic
from tokser.experiments.heads.mlp.model import initialise
from tokser.experiments.heads.mlp.trained import TrainedMLP
from tokser.experiments.heads.ridge import TrainedRidge
from tokser.experiments.heads.sklearn_mlp import TrainedSklearnMLP
from tokser.experiments.heads.svm import TrainedSVM
from tokser.experiments.heads.trained_head import FittedHead
from tokser.experiments.models import FeatureRecipe, GroupRecipe, Member, Model
from tokser.experiments.models.calibration import Calibration
from tokser.experiments.models.recipe import FeatureUse
from tokser.experiments.task import TargetScale
from tokser.functionals.standardise import Standardiser
from tokser.prediction import export_onnx
from tokser.prediction.export_onnx import export_head
from tokser.prediction.onnx_graph import input_names

CLASSES = ("anger", "joy", "neutral", "sadness")
WIDTH = 12
TERMS = (Term("whisper/layer-1"), Term("bert/word", ("mean", "max")))


@pytest.fixture(scope="module")
def training():
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(60, WIDTH)) * rng.uniform(0.1, 5, WIDTH) + 2).astype(np.float32)
    values[:, 3] = 1.5  # constant: left out
    labels = np.array([CLASSES[i] for i in rng.integers(0, 4, 60)], dtype=object)
    return values, labels


def trained(kind, values, labels):
    classes = tuple(sorted(set(labels)))
    if kind == "mlp":
        return TrainedMLP(initialise([WIDTH, 8, 6, len(CLASSES)], [[1]]))
    if kind == "linear":
        return TrainedMLP(initialise([WIDTH, len(CLASSES)], [[1]]))
    made = {
        "logreg": lambda: TrainedLogistic(LogisticRegression().fit(values, labels), CLASSES),
        "svm": lambda: TrainedSVM(TrainingKernel(values).fit(labels, 10.0, None), CLASSES),
        "mlp-sklearn": lambda: TrainedSklearnMLP(
            MLPClassifier((7, 5), max_iter=20).fit(values, labels), CLASSES
        ),
    }
    assert set(classes) <= set(CLASSES)
    return made[kind]()


def member(head, values, terms=TERMS[:1], scale=None):
    width = WIDTH // len(terms)
    scaling = Standardiser.fit(values)
    return Member(Early(terms), (width,) * len(terms), FittedHead(head, scaling, scale), head.kind)


def model(*members, task="classification", how="single", weights=()):
    made_by = {"model_type": "whisper", "context": "fit"}
    groups = tuple(
        GroupRecipe(name, kind, "", made_by, {"layer-1": FeatureUse(WIDTH, "float16")})
        for name, kind in (("whisper", "speech"), ("bert", "text"))
    )
    classes = CLASSES if task == "classification" else ()
    target = "label" if classes else "valence"
    recipe = FeatureRecipe(groups)
    return Model(task, target, "toy", "f", classes, tuple(members), how, weights, recipe)


def fit(training, kind, num_classes=4):
    values, labels = training
    kept = np.isin(labels, CLASSES[:num_classes])
    scaled = Standardiser.fit(values).apply(values)
    with pytest.warns() if kind == "mlp-sklearn" else nothing():
        return member(trained(kind, scaled[kept], labels[kept]), values)


def nothing():
    import contextlib

    return contextlib.nullcontext()


def run(path, tables, exported_names):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    given = {exported_names[name]: table.to_numpy() for name, table in tables.items()}
    return session.run(None, given)[0]


@pytest.mark.parametrize("kind", ["mlp", "linear", "logreg", "svm", "mlp-sklearn"])
@pytest.mark.parametrize("num_classes", [4, 3, 2])
def test_probabilities_of_every_classifier(training, tmp_path, kind, num_classes):
    made = model(fit(training, kind, num_classes))
    done = export_head(made, tmp_path / "head.onnx")
    assert done.difference < 1e-5
    assert done.outputs == ("probabilities",)
    values = np.random.default_rng(1).normal(2, 4, (50, WIDTH)).astype(np.float32)
    tables = {str(TERMS[0]): pd.DataFrame(values).rename_axis("id")}
    wanted = made.predict_functionals(tables).iloc[:, 1:].to_numpy()
    found = run(tmp_path / "head.onnx", tables, input_names(made))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("temperature", [0.4, 3.0])
def test_calibrated_probabilities(training, tmp_path, temperature):
    raw = model(fit(training, "logreg", 3))
    made = replace(raw, calibration=Calibration(temperature, "lac", ()))
    assert export_head(made, tmp_path / "head.onnx").difference < 1e-5
    assert export_head(made.showing(raw=True), tmp_path / "raw.onnx").difference < 1e-5
    export_head(raw, tmp_path / "same.onnx")
    assert (tmp_path / "raw.onnx").read_bytes() == (tmp_path / "same.onnx").read_bytes()


@pytest.mark.parametrize("kind", ["ridge", "mlp-sklearn"])
def test_numbers_on_the_scale_of_the_corpus(training, tmp_path, kind):
    values, _ = training
    scaled = Standardiser.fit(values).apply(values)
    target = scaled[:, 0] * 2 + 1
    if kind == "ridge":
        head = TrainedRidge(Ridge().fit(scaled, target), ())
    else:
        with pytest.warns():
            head = TrainedSklearnMLP(
                MLPRegressor(hidden_layer_sizes=(5,), max_iter=20).fit(scaled, target), ()
            )
    made = model(member(head, values, scale=TargetScale(3.0, 0.5)), task="regression")
    done = export_head(made, tmp_path / "head.onnx")
    assert done.outputs == ("valence",)
    assert done.difference < 1e-5


@pytest.mark.parametrize("how", ["mean", "weighted"])
def test_averages_of_members_and_features_side_by_side(training, tmp_path, how):
    values, labels = training
    scaled = Standardiser.fit(values).apply(values)
    one = fit(training, "logreg")
    both = Member(
        Early(TERMS),
        (WIDTH - 4, 4),
        FittedHead(trained("svm", scaled, labels), Standardiser.fit(values)),
        "svm",
    )
    one = Member(
        Early(TERMS[1:]),
        (4,),
        FittedHead(trained_small(training), Standardiser.fit(values[:, :4])),
        "logreg",
    )
    made = model(both, one, how=how, weights=(1.0, 3.0))
    done = export_head(made, tmp_path / "head.onnx")
    assert done.difference < 1e-5
    assert done.inputs == {
        "whisper_layer_1": "functionals of whisper/layer-1",
        "bert_word_mean_max": "functionals of bert/word:mean:max",
    }


def trained_small(training):
    values, labels = training
    scaled = Standardiser.fit(values[:, :4]).apply(values[:, :4])
    return TrainedLogistic(LogisticRegression().fit(scaled, labels), CLASSES)


def test_the_file_says_what_it_takes_and_what_it_gives(training, tmp_path):
    made = model(fit(training, "logreg"))
    export_head(made, tmp_path / "head.onnx")
    found = {one.key: one.value for one in onnx.load(tmp_path / "head.onnx").metadata_props}
    onnx.checker.check_model(onnx.load(tmp_path / "head.onnx"))
    assert json.loads(found["classes"]) == list(CLASSES)
    assert json.loads(found["functionals"]) == {"whisper/layer-1": ["mean", "std"]}
    assert json.loads(found["inputs"]) == {"whisper_layer_1": "whisper/layer-1"}
    assert {one["name"] for one in json.loads(found["encoders"])} == {"whisper", "bert"}


def test_the_same_file_again_but_never_over_another(training, tmp_path):
    made = model(fit(training, "logreg"))
    out = tmp_path / "head.onnx"
    export_head(made, out)
    export_head(made, out)
    out.write_bytes(b"mine")
    with pytest.raises(SettingsError, match="another file"):
        export_head(made, out)
    assert out.read_bytes() == b"mine"
    with pytest.raises(SettingsError, match=r"ends in \.onnx"):
        export_head(made, tmp_path / "head.pt")


def test_what_onnxruntime_computes_otherwise_is_not_written(training, tmp_path, monkeypatch):
    made = model(fit(training, "logreg"))
    monkeypatch.setattr(export_onnx, "_run", lambda *_: [np.full((64, 4), 0.25)])
    with pytest.raises(RunError, match="in onnxruntime"):
        export_head(made, tmp_path / "head.onnx")
    assert not (tmp_path / "head.onnx").exists()


def test_a_head_without_an_exact_form_is_refused(training, tmp_path):
    class Foreign(TrainedMLP):
        kind = "foreign"

    with torch.random.fork_rng(devices=[]):
        head = Foreign(initialise([WIDTH, 4], [[1]]))
    with pytest.raises(SettingsError, match="got foreign"):
        export_head(model(member(head, training[0])), tmp_path / "head.onnx")
