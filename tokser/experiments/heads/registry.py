"""Every head by its name in settings."""

from tokser.errors import SettingsError
from tokser.experiments.heads.attentive import AttentivePooling
from tokser.experiments.heads.emobox import EmoBoxPooling
from tokser.experiments.heads.frames.head import FrameHead
from tokser.experiments.heads.head import Head
from tokser.experiments.heads.logreg import LogisticHead
from tokser.experiments.heads.mlp.head import MLPHead
from tokser.experiments.heads.ridge import RidgeHead
from tokser.experiments.heads.sklearn_mlp import SklearnMLPHead
from tokser.experiments.heads.superb import SuperbPooling
from tokser.experiments.heads.svm import SVMHead
from tokser.experiments.heads.transformer import TransformerPooling
from tokser.experiments.task import Task

__all__ = ["HEADS", "find_head"]

HEADS: dict[str, Head] = {
    "mlp": MLPHead(),
    "linear": MLPHead(hidden=()),
    "logreg": LogisticHead(),
    "svm": SVMHead(),
    "ridge": RidgeHead(),
    "mlp-sklearn": SklearnMLPHead(),
    "superb": FrameHead(SuperbPooling()),
    "emobox": FrameHead(EmoBoxPooling()),
    "attentive": FrameHead(AttentivePooling()),
    "transformer": FrameHead(TransformerPooling()),
}


def find_head(name: str, task: Task) -> Head:
    """Return a head that a task can train.

    Raises:
        SettingsError: There is none of that name, or it minimises another loss.
    """
    fitting = [known for known, head in HEADS.items() if task.loss in head.losses]
    if name not in fitting:
        raise SettingsError(
            f"tokser {task.tables.command}",
            expected=f"a head for {task.tables.task}: {', '.join(fitting)}",
            got=repr(name),
            remedy="Name one of these.",
        )
    return HEADS[name]
