"""What the command line changes of its own process: all of it here, each with its reason.

The library changes nothing of the process that it is called in: no variable of the environment, no
number of threads, no allocator, no log level, no signal. A command is a process of tokser's own.
"""

import atexit
import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tokser.cli.messages import messages_shown
from tokser.memory import FEW_KERNELS

__all__ = ["UTF_8_REMEDY", "own_process"]

_COLLECT_EVERY = (10_000, 10, 10)
"""Thresholds of the garbage collector. Libraries allocate a million objects while they are imported
and free none: looking for garbage among them takes a fifth of the time that importing takes."""

UTF_8_REMEDY = "Set PYTHONUTF8=1, or LC_ALL=C.UTF-8"


@contextmanager
def own_process() -> Iterator[None]:
    """Set the process up for a command, and leave it as it was."""
    _bear_any_text()
    # To save memory, see `FEW_KERNELS`. Before torch is imported, which reads them once; processes
    # started from here have them, too. What the user's environment says is left as it is.
    variables = {name: kept for name, kept in FEW_KERNELS.items() if name not in os.environ}
    os.environ.update(variables)
    # `--head package.module:Class` may lie in the folder that the user works in; installed packages
    # of the same name come first.
    here = str(Path.cwd())
    is_new = here not in sys.path
    if is_new:
        sys.path.append(here)
    # A batch system stops a job with SIGTERM: what is done is kept, as after Ctrl-C.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    thresholds = gc.get_threshold()
    gc.set_threshold(*_COLLECT_EVERY)
    # At its end Python looks for garbage among all modules, a second after transformers; the system
    # frees them at once. Registered first, this runs after what libraries do at the end.
    atexit.register(gc.freeze)
    try:
        with messages_shown():
            yield
    finally:
        gc.set_threshold(*thresholds)
        signal.signal(signal.SIGTERM, before)
        if is_new and here in sys.path:
            sys.path.remove(here)
        for name in variables:
            os.environ.pop(name, None)


def _bear_any_text() -> None:
    """Let standard output and error write what their encoding lacks as escapes, and not fail.

    File names need an encoding that has all letters, or files that are there are not found: where
    the environment has another, a line on standard error names the variable to set.
    """
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None and getattr(stream, "errors", "") in ("strict", None):
            reconfigure(errors="backslashreplace")
    encoding = sys.getfilesystemencoding()
    if encoding.lower() not in ("utf-8", "utf8"):
        sys.stderr.write(
            f"This environment has {encoding}, not UTF-8: names of files with other letters are "
            f"not found. {UTF_8_REMEDY}.\n"
        )
