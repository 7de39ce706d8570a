"""Planted label errors on real EmoDB: how many `tokser labels` finds, and at what precision.

A tenth of the labels is replaced by another class at random, with 20 seeds; nothing else is told.
`make bench-labels` writes a section of docs/doubtful-labels.md. It extracts EmoDB as `bench_emodb`
does, into `build/bench/emodb.zarr`, and needs TOKSER_TEST_DATA. TOKSER_BENCH_STORE names a pooled
store of any corpus instead.
"""

import os
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
from bench_emodb import _extract
from bench_heads_scores import CUT, NAMES
from ratios import machine, markdown_table, replace_section, write_figures
from rich.console import Console
from rich.markdown import Markdown

from tokser.experiments.doubtful_labels.audit import LabelAudit, audit_labels
from tokser.experiments.doubtful_labels.neighbours import count_neighbours
from tokser.experiments.doubtful_labels.train import one_expression, train_out_of_fold
from tokser.store import Store, open_store

FEATURES = "whisper-base/layer-3"
SHARE = 0.1
SEEDS = range(100, 120)
RANKED = {
    "model": "self_confidence",
    "neighbours": "neighbours_share",
    "all together": "support",
}


def main() -> int:
    """Plant errors, look for them, and write the section."""
    page = Path(sys.argv[1])
    path = os.environ.get("TOKSER_BENCH_STORE") or _extract(Path(os.environ["TOKSER_TEST_DATA"]))
    found: defaultdict[str, list[dict[str, float]]] = defaultdict(list)
    expected, seconds = [], []
    for seed in SEEDS:
        store = open_store(path)
        true = store.utterances["label"]
        wrong = _plant(store, seed)
        started = time.process_time()
        audit = _audit(store)
        seconds.append(time.process_time() - started)
        expected.append(audit.expected_errors)
        for name, scores in _scores(audit, true, wrong).items():
            found[name].append(scores)
    name, number = store.dataset, len(wrong)
    means = {key: pd.DataFrame(rows).mean() for key, rows in found.items()}
    write_figures(f"labels-{name}", {f"{k}_{c}": v for k, m in means.items() for c, v in m.items()})
    head = ["", "flagged", "precision", "recall", "recall at 10 %", "recall at 20 %"]
    rows = [[key, *_cells(row)] for key, row in means.items()]
    text = (
        f"{NAMES[name]}{CUT[name]}: {number} of {len(true)} labels replaced by another class at "
        f"random, {FEATURES}, leave one speaker out, 10 neighbours; means over {len(SEEDS)} seeds, "
        f"in percent. Recall at 10 %: of the planted errors, those among the {number} most "
        f"doubtful labels.\n\n{markdown_table(head, rows)}\n\n"
        f"Expected errors: {np.mean(expected):.0f} (planted: {number}). "
        f"{100 * means['all together']['suggested']:.0f} % of the planted errors have their true "
        f"class as suggestion. An audit takes {np.median(seconds):.1f} s of processor time on "
        f"{machine()}."
    )
    replace_section(page, f"Planted errors, {NAMES[name]}", text)
    Console().print(Markdown(text))
    return 0


def _plant(store: Store, seed: int) -> list[str]:
    """Replace a tenth of a store's labels in memory, and hide what listeners said of the true."""
    table = store.utterances.copy()
    rng, classes = np.random.default_rng(seed), sorted(set(table["label"]))
    wrong = rng.choice(table.index, round(SHARE * len(table)), replace=False).tolist()
    for name in wrong:
        table.loc[name, "label"] = rng.choice([c for c in classes if c != table["label"][name]])
    store.__dict__["utterances"] = table
    return wrong


def _audit(store: Store) -> LabelAudit:
    predicted = train_out_of_fold(store, one_expression(store, FEATURES))
    near = count_neighbours(
        store, predicted, predicted.features, num_neighbours=10, other_speakers=True
    )
    return audit_labels(predicted, near, None, store.utterances)


def _scores(
    audit: LabelAudit, true: "pd.Series[str]", wrong: list[str]
) -> dict[str, dict[str, float]]:
    table = audit.doubtful.sort_values("id")  # ties are in no order that knows anything
    planted = table["id"].isin(wrong).to_numpy()
    by = {name: table["flagged_by"].str.contains(name) for name in ("model", "neighbours")}
    flagged = {
        **by,
        "model and neighbours": by["model"] & by["neighbours"],
        "model or neighbours": by["model"] | by["neighbours"],
    }
    found: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for name, own in flagged.items():
        hits = float((own & planted).sum())
        found[name] = {"flagged": own.sum(), "precision": hits / own.sum()}
        found[name]["recall"] = hits / len(wrong)
    for name, column in RANKED.items():
        ranks = table[column].rank(method="first")
        for times in (1, 2):
            is_first = ranks.le(times * len(wrong))
            found[name][f"at_{times}"] = float((is_first & planted).sum()) / len(wrong)
    suggested = table["suggested_label"] == true.loc[table["id"]].to_numpy()
    found["all together"]["suggested"] = float(suggested[planted].mean())
    return found


def _cells(row: "pd.Series[float]") -> list[str]:
    count = [f"{row['flagged']:.0f}" if "flagged" in row else ""]
    names = ("precision", "recall", "at_1", "at_2")
    return count + [f"{100 * row[name]:.1f}" if name in row else "" for name in names]


if __name__ == "__main__":
    sys.exit(main())
