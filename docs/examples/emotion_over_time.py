"""How does emotion move through a long recording of somebody whom the model has never heard?

Shows: probabilities of a model over windows of a recording, its most probable class, and, where it
    is known, what was really said in each window. With `--speaker` the recording is made of all
    utterances of a speaker, emotion by emotion, and the model is that of the fold in which this
    speaker was left out: an honest look. With `--model` and `--recording` it is any of yours.
Needs: a pooled store, the recordings it was made of (`--root`), and the encoder where the store
    says; or a model that `tokser fit` made, and a recording.
Takes: the encoder once for each window, 0.3 to 1 s a window for Whisper-base on two cores.

    python emotion_over_time.py --store emodb.zarr --root corpora/emodb --speaker 16 \
        --features whisper-base/layer-3 --window 2 --hop 1 --out over-time
    python emotion_over_time.py --model models/emodb --recording talk.flac --out over-time
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
from matplotlib.figure import Figure

import tokser


def model_without(store: tokser.Store, given: argparse.Namespace) -> tokser.TrainedModel:
    """Return the model of the fold that leaves the speaker out."""
    results = tokser.classify(
        store,
        features=given.features,
        heads="logreg",
        protocols="speaker",
        save_models=True,
        out=given.out / "results",
    )
    kept = pd.read_csv(results.folder / "models" / "models.csv", dtype=str)
    (folder,) = kept.loc[kept["fold"] == given.speaker, "folder"]
    return tokser.load_model(results.folder / folder)


def join(utterances: pd.DataFrame, root: Path, out: Path) -> pd.DataFrame:
    """Write utterances one after the other; return `start_s`, `end_s` and `label` of each."""
    samples, rates = zip(*(soundfile.read(root / path) for path in utterances["path"]), strict=True)
    (rate,) = set(rates)
    soundfile.write(out, np.concatenate(samples), rate)
    end = np.cumsum([len(one) for one in samples]) / rate
    start = np.concatenate([[0.0], end[:-1]])
    return pd.DataFrame({"start_s": start, "end_s": end, "label": utterances["label"].to_numpy()})


def add_truth(windows: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Add the label that was spoken in the middle of each window."""
    middle = (windows["start_s"] + windows["end_s"]) / 2
    place = np.searchsorted(truth["end_s"], middle).clip(max=len(truth) - 1)
    return windows.assign(truth=truth["label"].to_numpy()[place])


def draw(windows: pd.DataFrame, classes: Sequence[str], title: str) -> Figure:
    """Draw stacked probabilities, and strips of the most probable and the true class."""
    colours = {name: f"C{number}" for number, name in enumerate(classes)}
    strips = [name for name in ("label", "truth") if name in windows]
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes, *below = figure.subplots(
        1 + len(strips), sharex=True, height_ratios=[8, *([1] * len(strips))]
    )
    middle = (windows["start_s"] + windows["end_s"]) / 2
    shares = [windows[f"probability_{name}"] for name in classes]
    axes.stackplot(middle, shares, labels=classes, colors=list(colours.values()))
    axes.set(ylim=(0, 1), ylabel="probability", title=title)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize="small")
    step = middle.diff().median() if len(middle) > 1 else 1.0
    for strip, column in zip(below, strips, strict=True):
        run_of = (windows[column] != windows[column].shift()).cumsum()
        for _, run in middle.groupby(run_of):
            colour = colours.get(windows.loc[run.index[0], column], "white")
            strip.axvspan(run.iloc[0] - step / 2, run.iloc[-1] + step / 2, color=colour)
        strip.set(ylim=(0, 1), yticks=[])
        strip.set_ylabel({"label": "model", "truth": "truth"}[column], rotation=0, ha="right")
    axes.set_xlim(0, windows["end_s"].max())
    (below or [axes])[-1].set_xlabel("seconds")
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    """Predict, write `windows.csv`, draw `over-time.svg`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="folder of `tokser fit`")
    parser.add_argument("--recording", type=Path, help="any audio file; needs --model")
    parser.add_argument("--store", help="pooled store; needs --root, --speaker, --features")
    parser.add_argument("--root", type=Path, help="folder of the corpus")
    parser.add_argument("--speaker", help="whose utterances are the recording")
    parser.add_argument("--features", help="for instance whisper-base/layer-3")
    parser.add_argument("--window", type=float, default=2.0, help="seconds")
    parser.add_argument("--hop", type=float, default=1.0, help="seconds")
    parser.add_argument("--note", default="", help="added to the title")
    parser.add_argument("--out", type=Path, required=True, help="folder of table and picture")
    given = parser.parse_args(arguments)

    given.out.mkdir(parents=True, exist_ok=True)
    if given.model:
        model, recording, truth = tokser.load_model(given.model), given.recording, None
    else:
        store = tokser.open_store(given.store)
        model = model_without(store, given)
        own = store.utterances[store.utterances["speaker"] == given.speaker]
        recording = given.out / f"speaker-{given.speaker}.wav"
        truth = join(own.sort_values("label", kind="stable"), given.root, recording)
    windows = model.predict(recording, window=given.window, hop=given.hop)
    if truth is not None:
        windows = add_truth(windows, truth)
        right = (windows["label"] == windows["truth"]).mean()
        print(f"{100 * right:.1f} % of {len(windows)} windows")
    windows.to_csv(given.out / "windows.csv", index=False)
    title = f"{recording.stem}, {model.features}" + (f" ({given.note})" if given.note else "")
    draw(windows, model.classes, title).savefig(given.out / "over-time.svg")


if __name__ == "__main__":
    main()
