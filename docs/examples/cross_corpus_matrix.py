"""Does what was learnt on one corpus hold on another?

Shows: a classifier trained on each corpus and tested on each, as a heat map of unweighted average
    recall with 95 % intervals over the speakers of the test corpus. The diagonal leaves one speaker
    out. Layer and head are selected on dev speakers of the training corpus alone.
Needs: at least two pooled stores of different corpora with the same encoder, and a label map:
    `four-classes`, `six-classes`, `valence`, or a YAML file of your own.
Takes: a minute for two corpora of 500 and 900 utterances and 7 layers; no encoder runs.

    python cross_corpus_matrix.py --store emodb.zarr --store nemo.zarr --labels four-classes \
        --features "best(whisper-base/layer-*)" --out matrix
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

import tokser


def expected(results: tokser.Results) -> pd.DataFrame:
    """Return one row for each training and test corpus: what dev chose where there was a choice."""
    table = results.transfer.sort_values("num_candidates", kind="stable")
    return table.groupby(["train", "test"], as_index=False, sort=False).tail(1)


def draw(table: pd.DataFrame, title: str) -> Figure:
    """Draw the matrix: training corpora down, test corpora across."""
    tested = list(dict.fromkeys(table["test"]))
    trained = sorted(dict.fromkeys(table["train"]), key=lambda name: (name not in tested, name))
    cells = table.set_index(["train", "test"])
    value = 100 * cells["uar"].unstack().reindex(index=trained, columns=tested)
    chance = 100 * float(table["uar_chance"].min())

    figure = Figure(figsize=(2.2 + 1.5 * len(tested), 1.6 + 0.9 * len(trained)))
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    image = axes.imshow(value, cmap="cividis", vmin=chance, vmax=100, aspect="auto")
    for (train, test), row in cells.iterrows():
        own = value.loc[train, test]
        text = f"{own:.1f}\n[{100 * row['uar_low']:.1f}, {100 * row['uar_high']:.1f}]"
        ink = "black" if own > (chance + 100) / 2 else "white"
        place = tested.index(test), trained.index(train)
        axes.text(*place, text, ha="center", va="center", color=ink)
    axes.set_xticks(range(len(tested)), tested)
    axes.set_yticks(range(len(trained)), trained)
    axes.set_xlabel("tested on")
    axes.set_ylabel("trained on")
    axes.set_title(title, fontsize="medium")
    figure.colorbar(image, label="UAR [%], from chance on")
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, write `matrix.csv` and `labels.csv`, draw `matrix.svg`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", required=True, action="append", help="twice or more often")
    parser.add_argument("--labels", help="label map; without, labels of the same name")
    parser.add_argument("--features", action="append", help="expression; default: all pooled")
    parser.add_argument("--head", default="logreg", help="classifier, or several with commas")
    parser.add_argument("--standardise-by", choices=("train", "corpus"), default="train")
    parser.add_argument("--note", default="", help="added to the title")
    parser.add_argument("--out", type=Path, required=True, help="folder of tables and picture")
    given = parser.parse_args(arguments)

    results = tokser.transfer(
        given.store,
        labels=given.labels,
        features=given.features,
        heads=given.head.split(","),
        standardise_by=given.standardise_by,
        out=given.out / "results",
    )
    table = expected(results)
    table.to_csv(given.out / "matrix.csv", index=False)
    results.labels.to_csv(given.out / "labels.csv", index=False)
    named = (given.labels, f"standardised by {given.standardise_by}", given.note)
    draw(table, ", ".join(filter(None, named))).savefig(given.out / "matrix.svg")
    print(table[["train", "test", "uar", "uar_low", "uar_high", "n_test"]].to_string(index=False))


if __name__ == "__main__":
    main()
