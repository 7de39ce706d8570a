"""Names that are imported when they are asked for."""

import sys

import pytest


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with one lazy name, imported."""
    folder = tmp_path / "lazy_example"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from tokser.lazy_names import lazy_names\n"
        "__getattr__, __dir__ = lazy_names(__name__, {'answer': 'numbers'})\n"
    )
    (folder / "numbers.py").write_text("answer = 42\n")
    monkeypatch.syspath_prepend(tmp_path)
    import lazy_example

    yield lazy_example
    for name in [one for one in sys.modules if one.startswith("lazy_example")]:
        del sys.modules[name]


def test_a_name_is_imported_when_it_is_asked_for(package):
    assert "lazy_example.numbers" not in sys.modules
    assert "answer" in dir(package)
    assert package.answer == 42
    assert "answer" in vars(package)


def test_an_unknown_name_is_an_attribute_error(package):
    with pytest.raises(AttributeError, match="lazy_example"):
        _ = package.question
