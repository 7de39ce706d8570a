"""How functions are compiled by numba, the same wherever they are."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

__all__ = ["compiled_function"]

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled_function(function: Function) -> Function:
    """Compile for this processor at the first call, and keep the result on disk if one can."""
    plain = inspect.unwrap(function)  # checks of types do not compile
    options: Any = {
        "nogil": True,
        "error_model": "numpy",
        "fastmath": {"contract", "reassoc", "nsz"},
    }
    compiled: Any
    try:
        compiled = numba.njit(cache=True, **options)(plain)
    except RuntimeError:  # neither the package's folder nor the user's can be written
        compiled = numba.njit(**options)(plain)
    return cast("Function", compiled)
