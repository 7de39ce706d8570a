"""Is tuning an encoder's upper blocks worth more than leaving them frozen?

Shows: `tokser tune` from a stored layer twice, with the same head, folds and epochs: once the
    blocks above the layer are trained, once they stay as they were published (learning rate 0).
    The paired difference, with its interval and permutation test over speakers, is what tuning is
    worth; the picture has it speaker by speaker. The command has no function in Python, so it is
    called.
Needs: a pooled store with the frames of the layer and of all layers above it; Whisper extracted
    with `--context fit`; the encoder where the store says it was, or `--encoder FOLDER`.
Takes: long: for each speaker left out, every epoch runs the blocks over the corpus, forward and
    backward. Try it with `--epochs 1` first.
    A call that is stopped goes on at the fold where it was.

    python tune_from_cache.py --store feats-fit.zarr --from whisper-base/layer-4 --out tuned
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import recall_score

import tokser


def tune(given: argparse.Namespace, rate: float, out: Path) -> tokser.Results:
    """Train the blocks above the layer at a learning rate, or none at 0, with the head."""
    command = [
        *(
            sys.executable,
            "-m",
            "tokser",
            "tune",
            "--dataset",
            tokser.open_store(given.store).dataset,
        ),
        *("--store", given.store, "--from", getattr(given, "from"), "--head", given.head),
        *("--protocol", "speaker", "--epochs", str(given.epochs), "--blocks-lr", str(rate)),
        *("--seed", str(given.seed), "--no-refit", "--out", str(out)),
        *(("--encoder", given.encoder) if given.encoder else ()),
    ]
    subprocess.run(command, check=True)
    return tokser.load_results(out)


def by_speaker(results: tokser.Results, speakers: pd.Series) -> pd.Series:
    """Return the recall of each test speaker, averaged over the classes that the speaker has."""
    table = results.predictions.set_index("id")
    return table.groupby(speakers).apply(
        lambda own: recall_score(own["label"], own["prediction"], average="macro",
                                 labels=sorted(own["label"].unique()), zero_division=0)
    )  # fmt: skip


def draw(scores: pd.DataFrame, test: pd.Series, title: str) -> Figure:
    """Draw each speaker's recall, frozen and tuned, and the difference of all in the title."""
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    for speaker, row in (100 * scores).iterrows():
        axes.plot([0, 1], row[["frozen", "tuned"]], marker="o", color="grey", alpha=0.6)
        axes.annotate(str(speaker), (1.02, row["tuned"]), fontsize="x-small", va="center")
    axes.plot([0, 1], 100 * scores.mean(), marker="s", color="black", linewidth=2, label="mean")
    axes.set_xticks([0, 1], ["frozen", "tuned"])
    axes.set_xlim(-0.2, 1.2)
    axes.set_ylabel("UAR of a left-out speaker [%]")
    gain, low, high = 100 * test[["difference", "low", "high"]].astype(float)
    axes.set_title(f"{title}\ntuned - frozen: {gain:+.1f} points [{low:+.1f}, {high:+.1f}]")
    axes.legend()
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    """Tune, write `speakers.csv` and `difference.csv`, draw `tuned.svg`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", required=True, help="store with frames, context `fit`")
    parser.add_argument("--from", required=True, help="layer that the tuned blocks start from")
    parser.add_argument("--encoder", help="folder of the encoder, if it has moved")
    parser.add_argument("--head", default="mean-std", help="mean-std, attentive, superb...")
    parser.add_argument("--blocks-lr", type=float, default=1e-4, help="rate of the last block")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="folder of tables and picture")
    given = parser.parse_args(arguments)

    tuned = tune(given, given.blocks_lr, given.out / "tuned")
    frozen = tune(given, 0.0, given.out / "frozen")
    tests = tokser.compare_results(tuned, frozen).tests
    speakers = tokser.open_store(given.store).utterances["speaker"]
    named = {"frozen": by_speaker(frozen, speakers), "tuned": by_speaker(tuned, speakers)}
    scores = pd.DataFrame(named)
    scores.to_csv(given.out / "speakers.csv")
    tests.to_csv(given.out / "difference.csv", index=False)
    title = f"blocks above {getattr(given, 'from')}"
    draw(scores, tests.iloc[0], title).savefig(given.out / "tuned.svg")
    print(tests[["first", "second", "difference", "low", "high", "p"]].to_string(index=False))


if __name__ == "__main__":
    main()
