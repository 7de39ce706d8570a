"""Examples in public docstrings: each public name has one, and each one runs as it stands there."""

import doctest
import inspect
import shutil

import pytest

import tokser
from tokser.heads import MLPClassifier
from tokser.store import Layer, Store

WITHOUT = {
    "regress": "as classify, of a corpus with ratings, which needs a licence",
    "relabel": "needs decisions; docs/doubtful-labels.md",
    "scaling": "needs more speakers; docs/scaling.md",
    "transcribe": "needs a whole Whisper; docs/transcribe.md",
    "transfer": "needs two corpora; docs/transfer.md",
    "Run": "as pretrain",
    "heads": "a module",
    "pretrain": "a package that is called; the function is among EXAMPLES",
    "report": "likewise",
    "__version__": "a text",
}


def examples() -> dict[str, object]:
    from tokser.api.aligner import pretrain
    from tokser.api.pages import report

    found = {name: getattr(tokser, name) for name in tokser.__all__ if name not in WITHOUT}
    return found | {
        "pretrain": pretrain,
        "report": report,
        "Store": Store,
        "Layer": Layer,
        "MLPClassifier": MLPClassifier,
    }


EXAMPLES = examples()


@pytest.fixture
def here(workshop, tmp_path, monkeypatch):
    """A copy of the folder that the documentation's commands run in."""
    shutil.copytree(workshop, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_runs_and_gives_what_it_shows(name, here):
    text = inspect.getdoc(EXAMPLES[name]) or ""
    test = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    assert test.examples, f"{name} has no example"
    told: list[str] = []
    failed, _ = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(
        test, out=told.append
    )
    assert failed == 0, "".join(told)


def test_names_without_an_example_are_public():
    assert set(WITHOUT) <= set(tokser.__all__)
