import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from tokser.experiments.feature_expressions import Early, Term
from tokser.experiments.heads.logreg import TrainedLogistic
from tokser.experiments.heads.trained_head import FittedHead
from tokser.experiments.models.member import Member
from tokser.experiments.models.model import Estimate, Model
from tokser.experiments.models.recipe import FeatureRecipe, FeatureUse, GroupRecipe
from tokser.functionals.standardise import Standardiser

CLASSES = ("anger", "neutral", "sadness")


def make_member(number: int = 1, width: int = 6) -> Member:
    """Logistic regression on one term."""
    rng = np.random.default_rng(number)
    values = rng.normal(size=(30, width)).astype(np.float32)
    labels = np.array(CLASSES, dtype=object)[np.arange(30) % 3]
    head = TrainedLogistic(LogisticRegression().fit(values, labels), CLASSES)
    scaling = Standardiser.fit(values)
    scaling.scale[0] = np.inf  # a column that training leaves constant
    features = Early((Term(f"whisper-tiny/layer-{number}"),))
    return Member(features, (width,), FittedHead(head, scaling), "logreg", {"C": 1.0}, 0.5)


def make_model(**changes) -> Model:
    """A model of two members, averaged by weights."""
    uses = {f"layer-{i}": FeatureUse(3, "float16", ("mean", "std")) for i in (1, 2)}
    group = GroupRecipe(
        "whisper-tiny", "speech", "openai/whisper-tiny", {"model": "whisper-tiny"}, uses
    )
    values = {
        "task": "classification",
        "target": "label",
        "dataset": "emodb",
        "features": "weighted(whisper-tiny/layer-1..2)",
        "classes": CLASSES,
        "members": (make_member(1), make_member(2)),
        "how": "weighted",
        "weights": (0.3, 0.1),
        "recipe": FeatureRecipe((group,), ("de",)),
        "estimate": Estimate(
            protocol="speaker",
            metric="uar",
            score=0.5,
            low=0.25,
            high=0.75,
            num_test=60,
            unit="speaker",
            num_units=4,
            results="results",
            scores={"uar": 0.5, "uar_low": 0.25, "uar_high": 0.75, "uar_chance": 1 / 3},
        ),
    }
    return Model(**(values | changes))


@pytest.fixture(scope="session")
def tables() -> dict[str, pd.DataFrame]:
    """Functionals of both layers; one utterance has the first alone."""
    rng = np.random.default_rng(9)
    ids = pd.Index([f"utt{i}" for i in range(8)], name="id")
    one, two = (rng.normal(size=(8, 6)).astype(np.float32) for _ in range(2))
    return {
        "whisper-tiny/layer-1": pd.DataFrame(one, index=ids),
        "whisper-tiny/layer-2": pd.DataFrame(two[:7], index=ids[:7]),
    }


@pytest.fixture
def model() -> Model:
    return make_model()
