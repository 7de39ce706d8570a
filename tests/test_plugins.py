import sys
from types import SimpleNamespace

import pytest

from tokser.errors import MissingPackageError, SettingsError
from tokser.plugins import ENCODERS, find_plugin, plugins


def test_nothing_is_registered_by_default():
    assert find_plugin(ENCODERS, "no-such-encoder") is None


def test_an_entry_point_is_listed_without_being_imported(registered):
    registered("other", ENCODERS, {"mine": "other_encoders:load"})
    (found,) = [one for one in plugins(ENCODERS) if one.name == "mine"]
    assert (found.value, found.package) == ("other_encoders:load", "other 1.0")
    assert "other_encoders" not in sys.modules


def test_what_it_names_is_imported_when_it_is_loaded(registered, monkeypatch):
    monkeypatch.setitem(sys.modules, "other_encoders", SimpleNamespace(load=len))
    registered("other", ENCODERS, {"mine": "other_encoders:load"})
    assert find_plugin(ENCODERS, "mine").load() is len


@pytest.mark.parametrize(
    ("code", "got"),
    [
        ("raise ValueError('no luck')", "ValueError: no luck"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("nothing = 1", "AttributeError: .*load"),
        ("import no_such_module", "ModuleNotFoundError: .*no_such_module"),
    ],
)
def test_a_module_that_fails_is_an_error_with_its_package(registered, code, got):
    folder = registered("other", ENCODERS, {"mine": "broken_encoders:load"})
    (folder / "broken_encoders.py").write_text(code)
    with pytest.raises(MissingPackageError, match=rf"mine, registered by other 1\.0: .*{got}"):
        find_plugin(ENCODERS, "mine").load()


def test_a_name_that_two_packages_register_is_refused(registered):
    registered("one", ENCODERS, {"mine": "a:load"})
    registered("two", ENCODERS, {"mine": "b:load"})
    with pytest.raises(SettingsError, match=r"got one 1\.0 and two 1\.0"):
        find_plugin(ENCODERS, "mine")
