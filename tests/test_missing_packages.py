import os
import re
import subprocess
import sys
from importlib import metadata

import pytest

from tokser.errors import MissingPackageError
from tokser.missing_packages import extra_of, extras, missing_package, names_missing_packages


@pytest.fixture
def lacks(monkeypatch):
    """Let packages look as if they were not installed."""
    real = metadata.version

    def lack(*packages):
        def version(package):
            if package in packages:
                raise metadata.PackageNotFoundError(package)
            return real(package)

        monkeypatch.setattr(metadata, "version", version)

    return lack


def not_found(module):
    return ModuleNotFoundError(f"No module named {module!r}", name=module)


@pytest.mark.parametrize(
    ("module", "command", "extra"),
    [
        ("torch", "extract", "features"),
        ("torch", "pretrain", "train"),
        ("torch", "predict", "predict"),
        ("torch.nn", "TrainedModel", "predict"),
        ("sklearn.svm", "classify", "train"),
        ("sklearn", "extract", "report"),
        ("jinja2", "report", "report"),
        ("espeakng_loader", "demo", "demo"),
        ("optuna", "classify", "search"),
        ("umap", "report", "map"),
        ("pyarrow", "export", "export"),
    ],
)
def test_the_extra_is_the_one_that_the_command_needs(lacks, module, command, extra):
    package = {"sklearn": "scikit-learn", "umap": "umap-learn"}.get(
        module.partition(".")[0], module.partition(".")[0].replace("_", "-")
    )
    lacks(package)
    error = missing_package(not_found(module), command)
    assert isinstance(error, ImportError)
    assert error.exit_code == 2
    assert str(error).startswith(f"{package}: expected")
    assert f"pip install 'tokser[{extra}]'" in str(error)


def test_what_no_extra_brings_is_left_as_it_is(lacks):
    lacks("numpy", "pytest")
    assert missing_package(not_found("numpy"), "pool") is None
    assert missing_package(not_found("pytest"), "pool") is None  # of dev
    assert missing_package(not_found("surely_nobody"), "pool") is None


def test_an_installed_package_that_breaks_is_not_missing():
    assert missing_package(not_found("torch._none"), "classify") is None
    assert missing_package(ImportError("no symbol", name="torch"), "classify") is None


def test_extras_are_read_from_what_is_installed():
    found = extras()
    assert not {"dev", "docs"} & set(found)
    assert {"torch", "scikit-learn", "jinja2"} <= found["train"]
    assert "torch" not in found["report"]
    assert frozenset().union(*found.values()) == found["all"]
    assert extra_of("obstore") == "cloud"


def test_a_function_says_which_extra_it_needs(lacks):
    lacks("torch")

    @names_missing_packages
    def extract():
        raise not_found("torch")

    @names_missing_packages
    def other():
        raise not_found("surely_nobody")

    with pytest.raises(MissingPackageError, match=r"tokser\[features\]"):
        extract()
    with pytest.raises(ModuleNotFoundError, match="surely_nobody"):
        other()


WITHOUT = """
import importlib.abc, importlib.metadata, sys
LACKING = {"torch", "scipy", "sklearn", "matplotlib", "transformers"}

class Nothing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in LACKING:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Nothing())
real = importlib.metadata.version
def version(name):
    if name.replace("scikit-learn", "sklearn") in LACKING:
        raise importlib.metadata.PackageNotFoundError(name)
    return real(name)
importlib.metadata.version = version
"""
"""What a process of the core alone sees."""


@pytest.mark.parametrize(
    ("call", "extra"),
    [
        ("tokser.classify('x')", "train"),
        ("tokser.pretrain('x')", "train"),
        ("tokser.heads", "train"),
        ("tokser.extract('emodb', root='.', encoders='x', store='y')", "features"),
        ("tokser.load_model('x')", "predict"),
        ("tokser.report('x')", "report"),
    ],
)
def test_python_names_the_extra(call, extra):
    told = "except ImportError as error:\n    print(type(error).__name__, error)"
    script = f"{WITHOUT}\nimport tokser\ntry:\n    {call}\n{told}"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("MissingPackageError")
    assert f"pip install 'tokser[{extra}]'" in done.stdout


@pytest.mark.parametrize(
    ("command", "extra"),
    [("classify --dataset emodb", "train"), ("demo --out d", "demo"), ("report x", "report")],
)
def test_the_command_line_names_the_extra(tmp_path, command, extra):
    script = f"{WITHOUT}\nfrom tokser.cli import main\nmain({command.split()})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 2
    assert f"pip install 'tokser[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_core_reads_stores_and_lists_corpora(stores):
    path = str(stores.complete().path)
    script = f"""{WITHOUT}
LACKING |= {{"lightning", "safetensors", "pyarrow", "jinja2", "tensorboard", "torchaudio"}}
import tokser
from tokser.cli import main
store = tokser.open_store({path!r})
print(len(store.utterances), store[store.features[0]][store.utterances.index[0]].shape)
for command in (["store", "info", {path!r}], ["store", "verify", {path!r}], ["corpora"],
                ["encoders"], ["doctor"], ["--help"]):
    try:
        main(command)
    except SystemExit as done:
        assert done.code == 0, command
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"COLUMNS": "400"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (lacking,) = re.findall(r"not installed: ([^\u2502]+)", done.stdout)
    assert {"features", "train", "predict"} <= set(lacking.strip().split(", "))
    assert "cloud" not in lacking
