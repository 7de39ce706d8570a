"""One experiment by nkululeko, a toolkit for speech emotion recognition, on tokser's functionals.

TOKSER_BENCH_NKULULEKO names the Python of an environment that has it; its dependencies do not
agree with tokser's pinned ones.
"""

import os
import re
import subprocess
import time
from pathlib import Path

from tokser.store import open_store

PYTHON = os.environ.get("TOKSER_BENCH_NKULULEKO", "")
CONFIGURATION = """
[EXP]
root = ./
name = results
runs = 1
epochs = 1
[DATA]
databases = ['corpus']
corpus = ./corpus.csv
corpus.type = csv
corpus.absolute_path = True
corpus.audio_path = ./
corpus.split_strategy = train
target = emotion
labels = {labels}
[FEATS]
type = ['import']
import_file = ['functionals.csv']
scale = standard
[MODEL]
type = svm
logo = {num_speakers}
"""


def version() -> str:
    """Return the version of nkululeko."""
    words = "import importlib.metadata as m; print(m.version('nkululeko'))"
    return subprocess.check_output([PYTHON, "-c", words], text=True).strip()


def run(store_path: str, feature: str, wavs: Path, out: Path) -> tuple[float, float]:
    """Leave one speaker out with an SVM on a pooled feature.

    Returns:
        Seconds from the command to its end, and the mean UAR over speakers.
    """
    store = open_store(store_path)
    functionals = store.functionals(feature)
    functionals.columns = [f"column_{i}" for i in range(functionals.shape[1])]
    rows = store.utterances.loc[functionals.index]
    files = [str(wavs / f"{name}.wav") for name in functionals.index]
    out.mkdir(parents=True)
    functionals.assign(file=files).set_index("file").to_csv(out / "functionals.csv")
    table = rows[["speaker"]].assign(emotion=rows["label"], gender=rows["sex"], file=files)
    table.set_index("file").to_csv(out / "corpus.csv")
    text = CONFIGURATION.format(
        labels=sorted(set(rows["label"])), num_speakers=rows["speaker"].nunique()
    )
    (out / "experiment.ini").write_text(text)
    words = [PYTHON, "-m", "nkululeko.nkululeko", "--config", "experiment.ini"]
    begun = time.perf_counter()
    done = subprocess.run(words, cwd=out, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begun
    found = re.search(r"LOGO: \d+ folds: mean ([\d.]+)", done.stdout + done.stderr)
    if done.returncode or found is None:
        raise SystemExit(done.stdout + done.stderr)
    return seconds, float(found[1])
