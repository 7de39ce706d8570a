"""A corpus with the real Whisper-base: every head over frames, beside logistic regression.

Layer 6, the best layer by dev, late fusion of all, and the mix of all; leave one speaker out, and
the random split.
`make bench-heads-scores` writes a section of a page. It extracts EmoDB as `bench_emodb` does, into
`build/bench/emodb.zarr`, and needs TOKSER_TEST_DATA. TOKSER_BENCH_STORE names a pooled store of any
corpus instead. HEADS=superb,attentive scores a few of the heads, COLUMNS=last (or best,mean,mix) a
few of the columns; what the page says of the others stays.
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

FEATURES = {
    "last": "whisper-base/layer-6",
    "best": "best(whisper-base/layer-0..6)",
    "mean": "mean(whisper-base/layer-0..6)",
    "mix": "mix(whisper-base/layer-0..6)",
}
HEADER = {
    "last": "layer 6",
    "best": "best layer by dev",
    "mean": "mean of all (late fusion)",
    "mix": "mix of all",
}
ALL_HEADS = ("superb", "emobox", "attentive", "transformer")
HEADS = tuple(os.environ.get("HEADS", ",".join(ALL_HEADS)).split(","))
COLUMNS = tuple(os.environ.get("COLUMNS", ",".join(FEATURES)).split(","))
NAMES = {"emodb": "EmoDB", "nemo": "nEMO"}
CUT = {"emodb": ", in a copy cut at two seconds", "nemo": ""}
TITLES = {"speaker": "leave one speaker out", "random": "random 70:20:10, **LEAKS SPEAKERS**"}
LATE = (FEATURES["best"], FEATURES["mean"])
CHOICE, AVERAGE = "selected on dev among", "averaged over"
Rows = dict[str, dict[str, str]]
"""Cells by column, by the name of the row."""
GRID = GridSettings(batch_sizes=(32,), learning_rates=(1e-3,), epochs=15)
OPTIONS = FrameHeadSettings(dropout=0.5, weight_decay=0.1, training_precision="bf16")


def main() -> int:
    """Score what is asked for, and write it into the section, beside what is there."""
    page = Path(sys.argv[1])
    store = os.environ.get("TOKSER_BENCH_STORE") or _extract(Path(os.environ["TOKSER_TEST_DATA"]))
    corpus = open_store(store)
    heading = f"Heads over frames, {NAMES[corpus.dataset]}"
    rows = _rows_of(page, heading)
    baseline = _scores(store, "heads-logreg", ("logreg",), LATE, FrameHeadSettings())
    is_among = {"best", "mean"} & {*COLUMNS}  # their members include the last layer
    features = tuple(FEATURES[name] for name in COLUMNS if name != "last" or not is_among)
    heads = _scores(store, f"heads-{'-'.join(HEADS)}-{'-'.join(COLUMNS)}", HEADS, features, OPTIONS)
    for table, names in ((baseline, ("logreg",)), (heads, HEADS)):
        for protocol in TITLES:
            for name in names:
                own = rows.setdefault(f"{name}, {TITLES[protocol]}", {})
                found = {c: _cell(table, protocol, name, f) for c, f in FEATURES.items()}
                own |= {column: cell for column, cell in found.items() if cell}
    if len(HEADS) > 1 and {"best", "mean", "mix"} <= {*COLUMNS}:
        _put_combined(rows, heads)
    speaker = heads[heads["protocol"] == "speaker"].set_index(["classifier", "features"])["uar"]
    figures = {
        f"{name}_{column}_speaker": 100 * float(speaker[name, FEATURES[column]])
        for name in HEADS
        for column in COLUMNS
    }
    write_figures(f"heads-scores-{corpus.dataset}", figures)
    text = _page(_in_order(rows), corpus)
    replace_section(page, heading, text)
    Console().print(Markdown(text))
    return 0


def _rows_of(page: Path, heading: str) -> Rows:
    """Return the cells of each row that the section has; without a section, none."""
    _, _, section = page.read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    lines = [line for line in section.partition("\n## ")[0].split("\n") if line.startswith("|")]
    if not lines:
        return {}
    (_, *titles), _, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    columns = [next(c for c, told in HEADER.items() if told == title) for title in titles]
    scored = [head for head in ALL_HEADS if any(name.startswith(f"{head},") for name, *_ in rows)]
    named = ", ".join(scored)  # another head may join the section: a choice names those it had
    return {
        name.replace("all of these heads", named): dict(zip(columns, cells, strict=True))
        for name, *cells in rows
    }


def _put_combined(rows: Rows, heads: pd.DataFrame) -> None:
    """Write what is made of all heads of this run, in place of what earlier ones had of theirs."""
    for name in [name for name in rows if name.startswith((CHOICE, AVERAGE))]:
        del rows[name]
    for protocol, title in TITLES.items():
        choice = f"best({', '.join(HEADS)})"
        among = f"best({FEATURES['mix']}, whisper-base/layer-0..6)"
        everything = _cell(heads, protocol, choice, among)
        rows[f"{CHOICE} {', '.join(HEADS)}, {title}"] = {"best": everything}
        averaged = _cell(heads, protocol, f"mean({', '.join(HEADS)})", FEATURES["mean"])
        rows[f"{AVERAGE} {', '.join(HEADS)}, {title}"] = {"mean": averaged}


def _in_order(rows: Rows) -> list[list[str]]:
    """Return rows by protocol, then by head; choices come last."""
    heads = ("logreg", *ALL_HEADS)

    def place(name: str) -> tuple[int, int]:
        protocol = next(n for n, title in enumerate(TITLES.values()) if name.endswith(title))
        head = name.partition(",")[0]
        return protocol, heads.index(head) if head in heads else len(heads)

    cells = {name: [own.get(column, "") for column in HEADER] for name, own in rows.items()}
    return [[name, *cells[name]] for name in sorted(rows, key=place)]


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
    header = ("UAR [95 %]", *HEADER.values())
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
