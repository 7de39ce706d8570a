"""Packages that are called like the function of their name: `tokser.pretrain(store)`.

A package and a function of the public interface have the same name here, and Python puts the
package where the function would be as soon as it is imported. So the package answers the call.
"""

import inspect
import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["make_callable"]


class _CallablePackage(ModuleType):
    """A package that hands calls to a function."""

    __function_home__: str

    @property
    def _function(self) -> Callable[..., Any]:
        from tokser.missing_packages import missing_packages_named  # only a call needs it

        name = self.__name__.rpartition(".")[2]
        with missing_packages_named(name):
            home = import_module(self.__function_home__)
        function: Callable[..., Any] = getattr(home, name)
        return function

    @property
    def __signature__(self) -> inspect.Signature:
        """What editors and `help` show."""
        return inspect.signature(self._function)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self._function(*arguments, **keywords)


def make_callable(package: str, home: str) -> None:
    """Let a package be called.

    Args:
        package: Its full name; the last part is that of the function.
        home: Module of the function, imported at the first call.
    """
    module = sys.modules[package]
    module.__class__ = _CallablePackage
    module.__function_home__ = home  # type: ignore[attr-defined]
