"""The section of the page on doubtful labels: `tokser labels`."""

from collections.abc import Sequence

from tokser.experiments.doubtful_labels.table import DOUBTFUL, LABEL_NOISE
from tokser.report.study import Figure, Panel, Study, StudyKind

__all__ = ["DOUBTFUL_LABELS", "labels_panels"]


def labels_panels(study: Study, name: str, title: str) -> list[Panel]:
    """Show the most doubtful labels, and which label is estimated to stand for which class."""
    from tokser.report.doubtful_labels import (
        doubtful_table,
        label_noise_figure,
        label_noise_table,
    )

    doubtful = study.table
    by = doubtful["flagged_by"]
    counts = ", ".join(
        f"{int(by.str.contains(who).sum())} by the {who}"
        for who in ("model", "neighbours", "annotators")
        if who != "annotators" or doubtful["annotators_share"].notna().any()
    )
    two = int(doubtful["num_flags"].ge(2).sum())
    panels = [
        Panel(
            "The most doubtful",
            note=f"Of {len(doubtful):,} labels, flagged: {counts}; {two} by two of them or more. "
            "The page doubtful.html in the folder plays them.",
            tables=[doubtful_table(doubtful, f"{name}-doubtful", title)],
        )
    ]
    noise = study.further.get(LABEL_NOISE.file)
    if noise is not None:
        caption = "Share of a label's utterances that are estimated to belong to another class."
        figure = Figure(f"{name}-noise", label_noise_figure(noise, title), caption)
        table = label_noise_table(noise, f"{name}-noise", title)
        panels.append(Panel("Label noise", figures=[figure], tables=[table]))
    return panels


_EXPLANATION: Sequence[str] = (
    "Every label was compared with the prediction of a model that was not trained on the utterance "
    "(confident learning), with the labels of the nearest utterances, and with what annotators "
    "said, where that is known. A doubtful label is not a wrong one: a model errs, too.",
)
DOUBTFUL_LABELS = StudyKind(
    "labels", DOUBTFUL, "doubtful labels", _EXPLANATION, labels_panels, (LABEL_NOISE,)
)
