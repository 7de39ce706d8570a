"""Bars and tables of a notebook, drawn for a kernel that is not there."""

import logging
from types import SimpleNamespace

import pytest

import tokser
from tokser import notebook, progress
from tokser.notebook import NotebookBar, table_html


class Handle:
    def __init__(self, first):
        self.shown = [first.data]

    def update(self, content):
        self.shown.append(content.data)


@pytest.fixture(autouse=True)
def nothing_shown():
    """A test before may have asked for progress, and one after must not get it."""
    tokser.show_progress(False)
    yield
    tokser.show_progress(False)


@pytest.fixture
def drawn(monkeypatch):
    """What was displayed below the cell."""
    pytest.importorskip("IPython")
    handles = []

    def display(content, display_id):
        assert display_id
        handles.append(Handle(content))
        return handles[-1]

    monkeypatch.setattr("IPython.display.display", display)
    return handles


@pytest.fixture
def kernel(monkeypatch):
    """Stands for the IPython of a kernel."""
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(
        __import__("sys").modules, "IPython", SimpleNamespace(get_ipython=lambda: shell)
    )
    monkeypatch.setattr(notebook, "in_notebook", lambda: True)
    monkeypatch.setattr(progress, "in_notebook", lambda: True)


def test_a_bar_is_updated_in_place_and_leaves_a_line(drawn, monkeypatch):
    monkeypatch.setattr(notebook, "_QUIET_S", 0.0)
    monkeypatch.setattr(notebook, "_BETWEEN_S", 0.0)
    bar = NotebookBar("pool <x>", 3, "vectors")
    bar.advance()
    bar.advance(2)
    bar.close()
    (handle,) = drawn
    assert "<progress value='1' max='3'>" in handle.shown[0]
    assert "pool &lt;x&gt;: 3/3 vectors" in handle.shown[-1]
    assert "<progress" not in handle.shown[-1]


def test_quick_work_has_no_bar(drawn):
    bar = NotebookBar("pool", 3, "vectors")
    bar.advance(3)
    bar.close()
    assert drawn == []


def test_bars_of_the_library_are_drawn_in_a_kernel(drawn, kernel, monkeypatch):
    monkeypatch.setattr(notebook, "_QUIET_S", 0.0)
    with (
        progress.bars_shown(),
        progress.progress_bar("classify", total=2, unit="models") as bar,
    ):
        bar.advance(2)
    assert "classify: 2/2 models" in drawn[0].shown[-1]


def test_progress_is_shown_on_request_and_no_longer(capsys):
    logger = logging.getLogger("tokser")
    before = logger.handlers[:], logger.level
    logger.handlers = [logging.NullHandler()]
    try:
        tokser.show_progress()
        tokser.show_progress()
        progress.say("one line")
        assert capsys.readouterr().err == "one line\n"
        tokser.show_progress(False)
        progress.say("another")
        assert capsys.readouterr() == ("", "")
    finally:
        logger.handlers, logger.level = before


def test_in_a_notebook_messages_are_no_errors(kernel, capsys):
    logger = logging.getLogger("tokser")
    before = logger.handlers[:], logger.level
    logger.handlers = [logging.NullHandler()]
    try:
        tokser.show_progress()
        progress.say("extracted")
        progress.warn("one is lost")
        assert capsys.readouterr() == ("extracted\n", "one is lost\n")
    finally:
        tokser.show_progress(False)
        logger.handlers, logger.level = before


def test_text_in_a_table_is_text():
    html = table_html("<b>", ["a\nb", "n"], [["<i>", "1"]], right=[1], strong=[(0, 0)])
    assert "&lt;b&gt;" in html
    assert "<strong>&lt;i&gt;</strong>" in html
    assert "a<br>b" in html
    assert "text-align:right" in html
