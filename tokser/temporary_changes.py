"""Temporary changes of the process that tokser is called in: undone at the end, in any case."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["environment_restored", "log_level"]


@contextmanager
def environment_restored(**variables: str) -> Iterator[None]:
    """Leave the environment at the end of the block as it was before.

    Args:
        variables: What it has within the block, where it has no such variable already.
    """
    before = dict(os.environ)
    os.environ.update({name: text for name, text in variables.items() if name not in before})
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def log_level(name: str, level: int) -> Iterator[None]:
    """Give another package's logger a level while the block runs."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)
