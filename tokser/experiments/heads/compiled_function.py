"""How functions are compiled by numba, the same wherever they are."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from numba.extending import register_jitable

__all__ = ["compiled_function", "inlined_function"]

Function = TypeVar("Function", bound=Callable[..., Any])
_ARITHMETIC: Any = {"error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz"}}


def compiled_function(function: Function) -> Function:
    """Compile for this processor at the first call, and keep the result on disk if one can."""
    plain = inspect.unwrap(function)  # checks of types do not compile
    options = {"nogil": True, **_ARITHMETIC}
    compiled: Any
    try:
        compiled = numba.njit(cache=True, **options)(plain)
    except RuntimeError:  # neither the package's folder nor the user's can be written
        compiled = numba.njit(**options)(plain)
    return cast("Function", compiled)


def inlined_function(function: Function) -> Function:
    """Make a function part of compiled ones that call it; nothing of it is kept on its own."""
    return cast("Function", register_jitable(**_ARITHMETIC)(inspect.unwrap(function)))
