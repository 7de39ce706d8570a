"""What `tokser labels` found, made by hand, for tests of tables, page and section."""

import pandas as pd

from tokser.experiments.doubtful_labels.audit import LabelAudit
from tokser.experiments.doubtful_labels.table import DOUBTFUL, LABEL_NOISE

CLASSES = ("anger", "neutral", "sadness")


def made_audit(num: int = 5, *, ids: list[str] | None = None, annotators: bool = True):
    """Return an audit of a few utterances: the first is flagged, and another class suggested."""
    names = ids or [f"utt{i}" for i in range(num)]
    rows = []
    for place, name in enumerate(names):
        label, other = CLASSES[place % 3], CLASSES[(place + 1) % 3]
        own = 0.1 + 0.8 * place / len(names)
        row = {"rank": place + 1, "id": name, "label": label, "support": own}
        row |= {"suggested_label": other if place == 0 else label, "neighbours_label": other}
        row |= {"flagged_by": "model, neighbours" if place == 0 else "", "num_flags": 0}
        row |= {"self_confidence": own, "neighbours_share": own, "speaker": f"s{place}"}
        row |= {"model_rank": place + 1, "neighbours_rank": place + 1, "path": f"wav/{name}.wav"}
        row |= {"annotators_share": 0.8, "annotators_rank": 1} if annotators else {}
        row |= {f"probability_{c}": own if c == label else (1 - own) / 2 for c in CLASSES}
        rows.append(row)
    noise = [
        {"label": a, "other": b, "expected_errors": 2.0 * (a < b), "share_of_label": 0.1 * (a < b)}
        | {"num_flagged": 1, "num_label": 20}
        for a in CLASSES
        for b in CLASSES
        if a != b
    ]
    table = DOUBTFUL.ordered(pd.DataFrame(rows))
    return LabelAudit(table, LABEL_NOISE.frame(noise), "a model", "10 utterances", ("a/layer-1",))
