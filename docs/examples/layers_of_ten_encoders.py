"""In which layer of which encoder is the emotion?

Shows: unweighted average recall of logistic regression by layer, a curve for each encoder of a
    store, on speakers that were left out of training, with 95 % intervals over speakers. Encoders
    differ in depth, so the axis is the layer's share of it. An encoder with one feature alone, such
    as eGeMAPS, is a line. The legend has what can be expected: the layer that dev chose, fold by
    fold, tested on speakers that chose nothing.
Needs: one store with any number of encoders, pooled: `tokser extract --layers all` once for each,
    into the same `--store`, then `tokser pool`.
Takes: 2 s a layer for EmoDB (535 utterances, 10 speakers) on one core; no encoder runs.

    python layers_of_ten_encoders.py --store emodb.zarr --out layers
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

import tokser


def encoders_of(store: tokser.Store) -> dict[str, list[str]]:
    """Return the pooled features of each encoder."""
    found: dict[str, list[str]] = {}
    for feature in store.pooled:
        found.setdefault(feature.partition("/")[0], []).append(feature)
    return found


def score(store: tokser.Store, head: str, out: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score every layer under leave one speaker out.

    Returns:
        A row for each layer, and a row for each encoder: what dev chose of its layers.
    """
    layers, expected = [], []
    for encoder, features in encoders_of(store).items():
        results = tokser.classify(
            store, features=features, protocols="speaker", heads=head, out=out / encoder
        )
        scores = results.scores
        single = scores[scores["num_candidates"] == 1].assign(encoder=encoder)
        number = single["features"].str.extract(r"/layer-(\d+)$")[0].astype(float)
        layers.append(single.assign(layer=number, depth=number / max(number.max(), 1)))
        # `best(...)` is there where several layers are; one alone is its own best.
        best = scores.sort_values("num_candidates").tail(1)
        expected.append(best.assign(encoder=encoder))
    return pd.concat(layers, ignore_index=True), pd.concat(expected, ignore_index=True)


def draw(layers: pd.DataFrame, expected: pd.DataFrame, title: str) -> Figure:
    """Draw a curve for each encoder, with a band for its intervals."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    best = expected.set_index("encoder")
    for number, (encoder, rows) in enumerate(layers.groupby("encoder", sort=False)):
        colour = f"C{number}"
        value, low, high = 100 * best.loc[encoder, ["uar", "uar_low", "uar_high"]].astype(float)
        label = f"{encoder}: {value:.1f} [{low:.1f}, {high:.1f}]"
        percent = 100 * rows[["uar", "uar_low", "uar_high"]].astype(float)
        if rows["layer"].notna().all():
            axes.plot(rows["depth"], percent["uar"], marker="o", color=colour, label=label)
            ends = (rows["depth"], percent["uar_low"], percent["uar_high"])
            axes.fill_between(*ends, color=colour, alpha=0.12, linewidth=0)
        else:
            axes.axhline(value, linestyle="--", color=colour, label=label)
            axes.axhspan(low, high, color=colour, alpha=0.06, linewidth=0)
    axes.axhline(100 * layers["uar_chance"].iloc[0], color="grey", linestyle=":", label="chance")
    axes.set_xlabel("depth (0: input of the first block, 1: last layer)")
    axes.set_ylabel("UAR [%]")
    axes.set_title(title)
    axes.legend(title="by the layer that dev chose [95 %]", fontsize="small")
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    """Score, write `layers.csv` and `expected.csv`, draw `layers.svg`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", required=True, help="store with the layers of the encoders")
    parser.add_argument("--head", default="logreg", help="classifier: logreg, svm, mlp...")
    parser.add_argument("--note", default="", help="added to the title, e.g. 'cut at 2 s'")
    parser.add_argument("--out", type=Path, required=True, help="folder of tables and picture")
    given = parser.parse_args(arguments)

    store = tokser.open_store(given.store)
    layers, expected = score(store, given.head, given.out / "results")
    layers.to_csv(given.out / "layers.csv", index=False)
    expected.to_csv(given.out / "expected.csv", index=False)
    title = f"{store.dataset}, leave one speaker out" + (f" ({given.note})" if given.note else "")
    draw(layers, expected, title).savefig(given.out / "layers.svg")
    print(expected[["encoder", "uar", "uar_low", "uar_high", "num_candidates"]].to_string())


if __name__ == "__main__":
    main()
