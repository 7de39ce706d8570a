"""Importing and calling the library changes nothing of the process, and prints nothing."""

import subprocess
import sys

from tokser.testing.corpora.emodb import write_emodb
from tokser.testing.encoders import build_tiny_bert, build_tiny_whisper

SCRIPT = """
import logging, os, random, signal, sys, warnings
from pathlib import Path

import accelerate, joblib, lightning.pytorch, matplotlib.pyplot, numba, numpy, pandas
import sklearn.svm, torch, torchaudio, transformers, zarr

os.environ["WORLD_SIZE"] = "1"
torch.set_num_threads(3)
torch.set_num_threads(2)
logging.getLogger("lightning.pytorch").setLevel(logging.INFO)

def state():
    return {
        "environment": dict(os.environ),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "levels": {n: logging.getLogger(n).level for n in ("", "lightning.pytorch", "tokser",
                   "transformers", "zarr", "matplotlib", "numba")},
        "handlers": list(logging.getLogger().handlers),
        "verbosity": transformers.utils.logging.get_verbosity(),
        "bars": transformers.utils.logging.is_progress_bar_enabled(),
        "warnings": list(warnings.filters),
        "signals": {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)},
        "precision": torch.get_float32_matmul_precision(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "gradients": torch.is_grad_enabled(),
        "dtype": torch.get_default_dtype(),
        "generators": [hash(str(drawn)) for drawn in (torch.get_rng_state().tolist(),
                       random.getstate(), numpy.random.get_state()[1].tolist())],
        "errors": numpy.geterr(),
        "figures": dict(matplotlib.rcParams),
        "options": pandas.get_option("display.max_rows"),
        "encoding": (sys.stdout.errors, sys.stderr.errors),
        "recursion": sys.getrecursionlimit(),
    }

before = state()
import tokser
from tokser.config import (AlignSettings, AuditSettings, ClassifySettings, ExtractSettings,
                           GridSettings, PoolSettings, PretrainSettings, ReportSettings)
from tokser.stages.align import align
from tokser.stages.audit import audit
from tokser.stages.classify import classify
from tokser.stages.export import export
from tokser.stages.extract import extract
from tokser.stages.pool import pool
from tokser.stages.pretrain import pretrain
from tokser.stages.report import report
from tokser.stages.verify import verify

def check(call):
    after = state()
    changed = {name: (before[name], after[name]) for name in before if after[name] != before[name]}
    assert not changed, (call, changed)

check("import")
calls = [
    lambda: extract(ExtractSettings(dataset="emodb", root=Path("emodb"), store="s.zarr",
                                    encoders=("tiny-whisper", "tiny-bert"))),
    lambda: pretrain(PretrainSettings(store="s.zarr", out=Path("run"), epochs=1, batch_size=8)),
    lambda: align(AlignSettings(store="s.zarr", checkpoint=Path("run"))),
    lambda: pool(PoolSettings(store="s.zarr")),
    lambda: audit(AuditSettings(store="s.zarr", protocols=("speaker",))),
    lambda: classify(ClassifySettings(dataset="emodb", store="s.zarr", out=Path("out"),
        features=("tiny-whisper/layer-2",), classifiers=("mlp", "logreg", "svm"),
        protocols=("speaker",), grid=GridSettings(batch_sizes=(8,), learning_rates=(1e-3,),
        epochs=1))),
    lambda: report(ReportSettings(results=(Path("out"),), runs=(Path("run"),),
                                  formats=("html", "latex", "svg"), out=Path("page"))),
    lambda: verify("s.zarr"),
    lambda: export("s.zarr", "npz", format="npz"),
    lambda: tokser.open_store("s.zarr")["tiny-whisper/layer-2"].functionals(),
]
for number, call in enumerate(calls):
    call()
    check(number)
"""


def test_library_calls_change_and_print_nothing(tmp_path):
    write_emodb(tmp_path / "emodb", sentences=("a01",))
    build_tiny_whisper(tmp_path / "tiny-whisper")
    build_tiny_bert(tmp_path / "tiny-bert", ["Das will sie am Mittwoch abgeben"])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("", "")
