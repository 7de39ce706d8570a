"""A corpus with the real Whisper-base: every head over frames, beside logistic regression.

Layer 6, the best layer by dev, and the mix of all; leave one speaker out, and the random split.
`make bench-heads-scores` writes a section of a page. It extracts EmoDB as `bench_emodb` does, into
`build/bench/emodb.zarr`, and needs TOKSER_TEST_DATA. TOKSER_BENCH_STORE names a pooled store of any
corpus instead; HEADS=superb,attentive scores a few.
"""

import os
import sys
from pathlib import Path

import pandas as pd
from bench_emodb import _extract
from ratios import BUILD, machine, markdown_table, replace_section, write_figures
from rich.console import Console
from rich.markdown import Markdown

from tokser.config import ClassifySettings, FrameHeadSettings, GridSettings
from tokser.stages.classify import classify
from tokser.store import Store, open_store

MIX, BEST, LAST = (
    "mix(whisper-base/layer-0..6)",
    "best(whisper-base/layer-0..6)",
    "whisper-base/layer-6",
)
HEADS = tuple(os.environ.get("HEADS", "superb,emobox,attentive,transformer").split(","))
NAMES = {"emodb": "EmoDB", "nemo": "nEMO"}
CUT = {"emodb": ", in a copy cut at two seconds", "nemo": ""}
TITLES = {"speaker": "leave one speaker out", "random": "random 70:20:10, **LEAKS SPEAKERS**"}
GRID = GridSettings(batch_sizes=(32,), learning_rates=(1e-3,), epochs=15)
OPTIONS = FrameHeadSettings(dropout=0.5, weight_decay=0.1, training_precision="bf16")


def main() -> int:
    """Score everything, and write the section."""
    page = Path(sys.argv[1])
    store = os.environ.get("TOKSER_BENCH_STORE") or _extract(Path(os.environ["TOKSER_TEST_DATA"]))
    baseline = _scores(store, "heads-logreg", ("logreg",), (BEST,), FrameHeadSettings())
    heads = _scores(store, "heads-frames", HEADS, (BEST, MIX), OPTIONS)
    corpus = open_store(store)
    figures, rows = {}, []
    for protocol, title in TITLES.items():
        for table, names in ((baseline, ("logreg",)), (heads, HEADS)):
            for name in names:
                cells = [_cell(table, protocol, name, f) for f in (LAST, BEST, MIX)]
                rows.append([f"{name}, {title}", *cells])
        choice = f"best({', '.join(HEADS)})" if len(HEADS) > 1 else HEADS[0]
        everything = _cell(heads, protocol, choice, f"best({MIX}, whisper-base/layer-0..6)")
        rows.append([f"selected on dev among all of these heads, {title}", "", everything, ""])
    speaker = heads[heads["protocol"] == "speaker"]
    for name in HEADS:
        own = speaker[speaker["classifier"] == name].set_index("features")["uar"]
        figures[f"{name}_mix_speaker"] = 100 * own[MIX]
        figures[f"{name}_best_speaker"] = 100 * own[BEST]
    write_figures(f"heads-scores-{corpus.dataset}", figures)
    text = _page(rows, corpus)
    replace_section(page, f"Heads over frames, {NAMES[corpus.dataset]}", text)
    Console().print(Markdown(text))
    return 0


def _scores(
    store: str, name: str, heads: tuple[str, ...], features: tuple[str, ...], options
) -> pd.DataFrame:
    out = classify(
        ClassifySettings(
            dataset=open_store(store).dataset,
            store=store,
            out=BUILD / f"{name}-{open_store(store).dataset}",
            ledger=BUILD / "heads-ledger.jsonl",
            protocols=tuple(TITLES),
            heads=heads,
            features=features,
            grid=GRID,
            frame_heads=options,
        )
    )
    return pd.read_csv(out / "summary.csv")


def _cell(table: pd.DataFrame, protocol: str, head: str, features: str) -> str:
    found = table[
        (table["protocol"] == protocol)
        & (table["classifier"] == head)
        & (table["features"] == features)
    ]
    if found.empty:
        return ""
    row = found.iloc[0]
    score = f"{100 * row['uar']:.1f}"
    if pd.isna(row["uar_low"]):
        return score
    return f"{score} [{100 * row['uar_low']:.0f}, {100 * row['uar_high']:.0f}]"


def _page(rows: list[list[str]], corpus: Store) -> str:
    header = ("UAR [95 %]", "layer 6", "best layer by dev", "mix of all")
    told = (
        f"{len(corpus.utterances)} recordings{CUT[corpus.dataset]}; the real Whisper-base (30 s "
        "context, frames trimmed). Heads over frames: batches of 32, learning rate 1e-3, 15 "
        f"epochs, dropout {OPTIONS.dropout:g}, weight decay {OPTIONS.weight_decay:g}, refitted on "
        "train and dev. logreg: logistic regression on mean and standard deviation. Intervals are "
        f"over {corpus.utterances['speaker'].nunique()} speakers. On {machine()}."
    )
    return f"{told}\n\n{markdown_table(header, rows)}"


if __name__ == "__main__":
    sys.exit(main())
