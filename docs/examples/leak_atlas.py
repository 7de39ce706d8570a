"""How much does each kind of leak lift a score?

Shows: the same utterances, the same head, and up to five ways to cut them into folds, each of
    which tests every utterance once: at random (parts share speakers and sentences), with
    near-duplicates kept together, sentences out (speakers are shared), one speaker out (sentences
    are shared), and both out. All train on equally many,
    drawn anew for each seed. What a leak is worth is the paired
    difference from the folds without it, with its 95 % interval and test over speakers. Beside
    each score stands what the audit says is shared.
Needs: a pooled store of an acted corpus: speakers, and sentences that several of them say.
Takes: a minute for one layer of EmoDB (535 utterances) on one core; no encoder runs.

    python leak_atlas.py --store emodb.zarr --feature whisper-base/layer-3 --out atlas
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import tokser
from tokser.experiments.splits.recordings import compare_content
from tokser.experiments.splits.sentences import sentences_of

NUM_FOLDS = 10
KINDS = ("speakers", "sentences", "recordings", "near-duplicates")


def near_duplicates(store: tokser.Store, threshold: float | None) -> pd.Series:
    """Return the same number for recordings that are nearly the same; index = id."""
    number = pd.Series(range(len(store.ids)), index=store.ids)
    found = compare_content(store, threshold=threshold).duplicates
    for i, j in zip(found.first, found.second, strict=True) if found else ():
        one, other = number[found.ids[i]], number[found.ids[j]]
        number[number == other] = one
    return number


def dealt(groups: pd.Series, number: int, seed: int) -> pd.Series:
    """Deal whole groups into at most so many folds, at random."""
    names = np.random.default_rng(seed).permutation(groups.unique())
    fold = {name: place % number for place, name in enumerate(names)}
    return groups.map(fold)


def designs(utterances: pd.DataFrame, alike: pd.Series, num_groups: int, seed: int) -> dict:
    """Return folds by design, all with equally many to train on; dev is drawn from these."""
    each = pd.Series(range(len(utterances)), index=utterances.index)
    speaker, sentence = utterances["speaker"], dealt(sentences_of(utterances), num_groups, seed)
    by = {"random": [dealt(each, NUM_FOLDS, seed)]}
    if alike.nunique() < len(alike):
        by["duplicates together"] = [dealt(alike, NUM_FOLDS, seed)]
    by |= {"sentences out": [sentence], "speaker out": [speaker], "both out": [speaker, sentence]}
    found = {name: list(folds_by(keys)) for name, keys in by.items()}
    smallest = min(len(fold["train"]) for folds in found.values() for fold in folds)
    for folds in found.values():
        for place, fold in enumerate(folds):
            draw = np.random.default_rng([seed, place])
            fold["train"] = sorted(draw.choice(fold["train"], smallest, replace=False).tolist())
            fold["seed"] = seed
    return found


def folds_by(keys: list[pd.Series]) -> Iterator[dict]:
    """Yield a fold for each combination of groups; train has none of the groups in test."""
    table = pd.concat(keys, axis=1).astype(str)
    for _, test in table.groupby(list(table.columns)):
        values = test.iloc[0]
        is_train = (table != values).all(axis=1)
        yield {
            "fold": "-".join(values),
            "train": list(table.index[is_train]),
            "test": list(test.index),
        }


def score(store: tokser.Store, given: argparse.Namespace) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score every design; return scores with what is shared, and paired differences."""
    utterances = store.utterances[store.utterances["label"] != ""]
    alike = near_duplicates(store, given.duplicate_threshold)[utterances.index]
    drawn = [designs(utterances, alike, given.sentence_groups, seed) for seed in range(given.seeds)]
    found = {}
    for name in drawn[0]:
        file = given.out / f"{name.replace(' ', '-')}.json"
        # One name of the protocol in all files, so that designs are compared.
        file.write_text(json.dumps({"folds": [fold for one in drawn for fold in one[name]]}))
        how = {"features": given.feature, "heads": given.head, "num_seeds": given.seeds}
        out = given.out / "results" / file.stem
        found[name] = tokser.classify(store, splits=file, out=out, **how)
    compared = tokser.compare_results(*found.values())
    called = dict(zip(compared.folders, found, strict=True))
    scores = compared.scores.assign(design=compared.scores["folder"].map(called))
    scores = scores.drop_duplicates("design").set_index("design")
    tests = compared.tests.drop_duplicates(["first", "second"])
    tests = tests.assign(first=tests["first"].map(called), second=tests["second"].map(called))
    audit = pd.DataFrame({name: one.audit.iloc[0] for name, one in found.items()}).T
    return scores[["uar", "low", "high", "n", "num_seeds"]].join(audit), tests


def draw(scores: pd.DataFrame, title: str) -> Figure:
    """Draw a bar for each design, with its interval."""
    figure = Figure(figsize=(7, 0.6 * len(scores) + 1.4), layout="constrained")
    axes = figure.subplots()
    value = 100 * scores["uar"].to_numpy()
    ends = 100 * scores[["low", "high"]].to_numpy(dtype=float).T
    axes.barh(scores.index, value, xerr=np.abs(ends - value), capsize=4, color="#56b4e9")
    for place, (_, row) in enumerate(scores.iterrows()):
        kinds = [kind for kind in KINDS if row.get(f"shared_{kind}", 0)]
        said = "shares " + ", ".join(kinds) if kinds else "shares nothing"
        axes.text(1, place, f"{100 * row['uar']:.1f}  {said}", va="center", fontsize="small")
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("UAR [%], 95 % interval over speakers")
    axes.set_title(title)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    """Score, write `atlas.csv` and `lifts.csv`, draw `atlas.svg`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", required=True, help="pooled store of one corpus")
    parser.add_argument("--feature", required=True, help="for instance whisper-base/layer-3")
    parser.add_argument("--head", default="logreg", help="classifier")
    parser.add_argument("--sentence-groups", type=int, default=5, help="folds over sentences")
    parser.add_argument("--duplicate-threshold", type=float, help="cosine; default: the audit's")
    parser.add_argument("--seeds", type=int, default=3, help="draws of folds and training parts")
    parser.add_argument("--note", default="", help="added to the title")
    parser.add_argument("--out", type=Path, required=True, help="folder of tables and picture")
    given = parser.parse_args(arguments)

    given.out.mkdir(parents=True, exist_ok=True)
    store = tokser.open_store(given.store)
    scores, tests = score(store, given)
    scores.to_csv(given.out / "atlas.csv")
    tests.to_csv(given.out / "lifts.csv", index=False)
    title = f"{store.dataset}, {given.feature}" + (f" ({given.note})" if given.note else "")
    draw(scores, title).savefig(given.out / "atlas.svg")
    print(tests[["first", "second", "difference", "low", "high", "p_adjusted"]].to_string())


if __name__ == "__main__":
    main()
