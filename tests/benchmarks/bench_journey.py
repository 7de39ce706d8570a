"""Whole journeys by the clock: recordings to page, one more experiment, start-up, the demo.

`make bench-journey` writes a section of docs/benchmarks.md. It needs TOKSER_TEST_DATA, and a pooled
store of EmoDB: TOKSER_BENCH_STORE names one, otherwise all of EmoDB is extracted first, which takes
minutes. `--recordings 60` is the subset that goes from wavs to page. `--parts start,demo` measures
these alone; what earlier runs measured of the others stays. TOKSER_BENCH_NKULULEKO names the Python
of an environment with nkululeko, which is a peer if there is one.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import journey_nkululeko
import pandas as pd
from bench_emodb import _extract
from extract_data import recordings
from ratios import BUILD, machine, markdown_table, replace_section, versions, write_figures

HERE = Path(__file__).parent
TOKSER = str(Path(sys.executable).with_name("tokser"))
WORK = {
    "extract": ["arithmetic=tokser.extraction.extractor:Extractor.forward"],
    "pool": [],
    "classify": [
        "arithmetic=tokser.experiments.experiment:search",
        "tables=tokser.experiments.experiment:_write",
    ],
    "report": ["tables=tokser.report.page:render"],
    "predict": ["arithmetic=tokser.extraction.extractor:Extractor.forward"],
}
"""What of a command is counted apart: arithmetic, and the making of tables, figures and pages."""
SHARES = ("start", "imports", "arithmetic", "tables", "rest")
ONE_MORE: dict[str, list[str]] = {"logreg": [], "mlp": ["--grid", "batch_size=32,lr=1e-3,5e-3"]}
PARTS = ("journey", *ONE_MORE, "nkululeko", "predict", "start", "demo")
KEPT = BUILD / "journey-parts.json"
REPEATS = 5

Seconds = dict[str, float]


def main() -> int:
    """Measure, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("--recordings", type=int, default=60)
    parser.add_argument("--parts", default=",".join(PARTS))
    options = parser.parse_args()
    parts = options.parts.split(",")
    # Processes that are timed find compiled modules, as whoever installed tokser does.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    data = Path(os.environ["TOKSER_TEST_DATA"])
    out = BUILD / "journey"
    out.mkdir(parents=True, exist_ok=True)
    kept = json.loads(KEPT.read_text()) if KEPT.is_file() else {"texts": {}, "figures": {}}
    texts, figures = kept["texts"], kept["figures"]
    for part in parts:
        shutil.rmtree(out / part, ignore_errors=True)
        (out / part).mkdir()
        store = os.environ.get("TOKSER_BENCH_STORE") or str(BUILD / "emodb.zarr")
        if part in ("start", "predict", "nkululeko", *ONE_MORE) and not Path(store).exists():
            _extract(data)
        if part == "journey":
            texts[part] = _journey(data, out / part, options.recordings, figures)
        elif part in ONE_MORE:
            texts[part] = _one_more(store, part, out / part, figures)
        elif part == "nkululeko":
            texts[part] = _beside_nkululeko(data, store, out / part, figures)
        elif part == "predict":
            texts[part] = _predict(data, store, out / part, figures)
        elif part == "start":
            texts[part] = _start(store, figures)
        else:
            texts[part] = _demo(out / part, figures)
        texts[part] += f"\n\nOn {machine()}."
        KEPT.write_text(json.dumps({"texts": texts, "figures": figures}))
    write_figures("journey", figures)
    found = [texts[part] for part in PARTS if part in texts]
    found.append(f"{versions(['torch', 'transformers', 'scikit-learn'])}.")
    replace_section(options.page, "Whole journeys", "\n\n".join(found))
    sys.stdout.write("\n\n".join(found) + "\n")
    return 0


def _journey(data: Path, out: Path, number: int, figures: Seconds) -> str:
    """Go from recordings to the page, beside the usual script."""
    corpus = recordings(data / "data" / "emodb" / "wav", out / "emodb", number)
    model, store = str(data / "models" / "whisper-base"), str(out / "emodb.zarr")
    # Every tenth recording is a corpus of all speakers, but not of every class for each.
    commands = {
        "extract": [
            *("--dataset", "emodb", "--root", str(corpus), "--encoder", model),
            *("--layers", "all", "--store", store, "--quiet"),
        ],
        "pool": ["--store", store, "--quiet"],
        "classify": [
            *("--dataset", "emodb", "--store", store, "--protocol", "speaker"),
            *("--head", "logreg", "--out", str(out / "results"), "--quiet"),
            *("--ledger", str(out / "ledger.jsonl")),
        ],
        "report": [str(out / "results"), "--out", str(out / "report.html"), "--quiet"],
    }
    found = {name: _timed(name, words) for name, words in commands.items()}
    total = {key: sum(one[key] for one in found.values()) for key in ("all", *SHARES)}
    rows = [_row(f"tokser {name}", one) for name, one in found.items()]
    rows.append(_row("together", total))
    wall, script = _process(
        [str(HERE / "journey_peer.py"), str(corpus / "wav"), model, str(out / "peer")]
    )
    figures |= {f"journey_{name}_s": one["all"] for name, one in found.items()}
    figures |= {"journey_s": total["all"], "journey_script_s": wall}
    figures["journey_script_vs_tokser"] = wall / total["all"]
    steps = ", ".join(f"{script[key]:.1f} s {what}" for key, what in _STEPS.items())
    return (
        f"**From recordings to a page.** {number} recordings of EmoDB (cut at 2 s), Whisper-base, "
        "all 7 layers, logistic regression, leave one speaker out; wall time in seconds. start: "
        "the interpreter, up to the first import and from the last table on; tables: and figures "
        f"and pages; rest: reading, writing, checks.\n\n{_table(rows)}\n\n"
        "The usual script (transformers, a file at a time, `np.save`, scikit-learn; no dev part, "
        f"no intervals, no page) takes {wall:.1f} s: {steps}."
    )


_STEPS = {"imports": "imports", "model": "loading", "extract": "encoding", "classify": "training"}


def _one_more(store: str, head: str, out: Path, figures: Seconds) -> str:
    """Run a new grid on a pooled store, from the command to its table."""
    runs = []
    for number in range(3 if head == "logreg" else 1):
        words = ["--dataset", "emodb", "--store", store, "--protocol", "speaker", "--head", head]
        words += [*ONE_MORE[head], "--out", str(out / str(number)), "--quiet"]
        runs.append(_timed("classify", [*words, "--ledger", str(out / "ledger.jsonl")]))
    found = sorted(runs, key=lambda one: one["all"])[len(runs) // 2]
    figures |= {f"one_more_{head}_{key}_s": value for key, value in found.items()}
    options = " ".join(["--protocol speaker --head", head, *ONE_MORE[head]])
    return (
        f"**One more experiment, {head}.** `tokser classify {options}` on EmoDB, 7 pooled layers, "
        f"10 folds, from the command to its table.\n\n{_table([_row('seconds', found)])}"
    )


def _beside_nkululeko(data: Path, store: str, out: Path, figures: Seconds) -> str:
    """Run one layer with an SVM, and the same by nkululeko, if it is at hand."""
    if not journey_nkululeko.PYTHON:
        return "**Beside nkululeko.** Not measured: TOKSER_BENCH_NKULULEKO names no environment."
    feature, wavs = "whisper-base/layer-3", data / "data" / "emodb" / "wav"
    words = ["--dataset", "emodb", "--store", store, "--protocol", "speaker", "--head", "svm"]
    words += ["--features", feature, "--ledger", str(out / "ledger.jsonl"), "--quiet"]
    ours = [_timed("classify", [*words, "--out", str(out / str(n))])["all"] for n in range(3)]
    theirs = [journey_nkululeko.run(store, feature, wavs, out / f"peer-{n}") for n in range(3)]
    mine, peer = statistics.median(ours), statistics.median(seconds for seconds, _ in theirs)
    scores = pd.read_csv(out / "0" / "results.csv")
    figures |= {"svm_one_layer_s": mine, "svm_one_layer_nkululeko_s": peer}
    return (
        f"**Beside nkululeko {journey_nkululeko.version()}.** One pooled layer of EmoDB, an SVM, "
        f"leave one speaker out, whole commands, median of 3: tokser {mine:.1f} s (C by dev, "
        "refitted: 50 models; intervals, audits, groups, tables), nkululeko, which imports the "
        f"same functionals from CSV, {peer:.1f} s (one C: 10 models; no dev part). UAR pooled over "
        f"speakers {100 * scores['uar'].iloc[0]:.1f}, its mean over speakers "
        f"{100 * theirs[0][1]:.1f} there."
    )


def _predict(data: Path, store: str, out: Path, figures: Seconds) -> str:
    """Predict one recording by a whole command, beside a script."""
    encoder, model = str(data / "models" / "whisper-base"), str(out / "model")
    wav = str(sorted((data / "data" / "emodb" / "wav").glob("*.wav"))[0])
    fit = ["--dataset", "emodb", "--store", store, "--features", "whisper-base/layer-6"]
    fit += ["--head", "logreg", "--out", model, "--quiet"]
    fit += ["--ledger", str(out / "ledger.jsonl")]
    subprocess.run([TOKSER, "fit", *fit], check=True, capture_output=True)
    runs, scripts = [], []
    for number in range(3):
        words = [model, wav, "--encoder", encoder, "--out", str(out / f"{number}.csv"), "--quiet"]
        runs.append(_timed("predict", words))
        scripts.append(_process([str(HERE / "journey_predict_peer.py"), wav, encoder]))
    found = sorted(runs, key=lambda one: one["all"])[1]
    wall, script = sorted(scripts, key=lambda one: one[0])[1]
    figures |= {f"predict_one_{key}_s": value for key, value in found.items()}
    figures["predict_one_script_s"] = wall
    return (
        "**Predict one recording.** `tokser predict` with a logistic regression on Whisper-base, a "
        "recording of EmoDB of two seconds, in the model's window of 30 s; the whole command, "
        f"median of 3.\n\n{_table([_row('seconds', found)])}\n\n"
        f"A script with transformers takes {wall:.1f} s: {script['imports']:.1f} s imports, "
        f"{script['model']:.1f} s loading, {script['arithmetic']:.1f} s encoding."
    )


def _start(store: str, figures: Seconds) -> str:
    """Start processes, and take the median of each."""
    python = [sys.executable, "-c"]
    ways = {
        "python": [*python, "pass"],
        "import numpy": [*python, "import numpy"],
        "import tokser; open_store": [*python, f"import tokser; tokser.open_store({store!r})"],
        "tokser --help": [TOKSER, "--help"],
        "tokser classify --help": [TOKSER, "classify", "--help"],
        "tokser classify, no option": [TOKSER, "classify"],
        "tokser classify, wrong option": [
            *(TOKSER, "classify", "--dataset", "emodb", "--protocol", "speakers"),
        ],
    }
    rows = []
    for name, words in ways.items():
        seconds = []
        for _ in range(REPEATS + 1):  # the first reads files that no process had read
            begun = time.perf_counter()
            subprocess.run(words, check=False, capture_output=True)
            seconds.append(time.perf_counter() - begun)
        median = statistics.median(seconds[1:])
        key = re.sub(r"\W+", "_", name).strip("_")
        figures[f"start_{key}_s"] = median
        rows.append([f"`{name}`", f"{median:.2f}"])
    return (
        "**Start-up.** Whole processes, medians of "
        f"{REPEATS}.\n\n{markdown_table(['', 'seconds'], rows)}"
    )


def _demo(out: Path, figures: Seconds) -> str:
    """Run the demo, and take the time between its headings."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [TOKSER, "demo", "--out", str(out / "demo")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    stages: list[tuple[str, float]] = [("start", begun)]
    for line in process.stdout or ():
        heading = re.match(r"\[(?:demo|material)\] (.+)", line)
        if heading:
            stages.append((heading[1], time.perf_counter()))
    if process.wait():
        raise SystemExit("the demo failed")
    ended = time.perf_counter()
    ends = [when for _, when in stages[1:]] + [ended]
    spans = {name: end - start for (name, start), end in zip(stages, ends, strict=True)}
    figures |= {f"demo_{name.split()[0]}_s": value for name, value in spans.items()}
    figures["demo_s"] = ended - begun
    rows = [[name, f"{value:.1f}"] for name, value in {**spans, "all": ended - begun}.items()]
    return f"**`make demo`** after the install.\n\n{markdown_table(['', 'seconds'], rows)}"


def _timed(name: str, words: Sequence[str]) -> Seconds:
    """Run a command, and return its seconds as a whole and in shares."""
    wall, spent = _process([str(HERE / "journey_runner.py"), *WORK[name], "--", name, *words])
    found = {"all": wall, "start": wall - spent["inside"], "imports": spent["imports"]}
    found |= {key: spent.get(key, 0.0) for key in ("arithmetic", "tables")}
    return {**found, "rest": 2 * wall - sum(found.values())}


def _process(words: Sequence[str]) -> tuple[float, Seconds]:
    """Run a script, and return its wall time and the JSON on its last line."""
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, *words], check=False, capture_output=True, text=True)
    wall = time.perf_counter() - begun
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return wall, json.loads(done.stdout.splitlines()[-1])


def _row(name: str, one: Mapping[str, float]) -> list[str]:
    return [name, *(f"{one[key]:.1f}" for key in ("all", *SHARES))]


def _table(rows: Sequence[Sequence[str]]) -> str:
    return markdown_table(["", "all", *SHARES], rows)


if __name__ == "__main__":
    sys.exit(main())
