"""How a command fails: one sentence on standard error, and an exit code."""

import errno
import functools
import os
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from tokser.cli.output import tell
from tokser.cli.process import UTF_8_REMEDY
from tokser.errors import TokserError
from tokser.progress import LOGGER

__all__ = ["EXIT_CODES", "reports_errors"]

EXIT_CODES = (
    "Exit codes: 0 ok; 1 the run failed; 2 the input or the call is wrong; "
    "3 finished, with utterances in quarantine."
)

_ROOM = "Make room, then run the same command again: what was finished is kept."
_RIGHT = "Get the right to it, or name another place."
_NAME = "Name another place: a file is where a folder should be, or the other way round."
_DRIVE = "Mount the drive again, then run the same command again: what was finished is kept."
_LIMIT = "Raise the limit (`ulimit -n 4096`), then run the same command again."
_FAULTS: dict[tuple[int, ...], tuple[int, str, str]] = {
    (errno.ENOSPC, errno.EDQUOT): (1, "room on the disk", _ROOM),
    (errno.EFBIG,): (1, "room for a file of this size", _ROOM),
    (errno.EROFS,): (2, "a place to write to", _RIGHT),
    (errno.EACCES, errno.EPERM): (2, "a file or folder that you may read, or write to", _RIGHT),
    (errno.EEXIST, errno.ENOTDIR): (2, "a folder", _NAME),
    (errno.EISDIR,): (2, "a file", _NAME),
    (errno.EIO,): (
        1,
        "a disk that works",
        "Save what can be read, have the disk or the network drive looked at (`dmesg`), then run "
        "the same command again.",
    ),
    (errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ETIMEDOUT, errno.EHOSTDOWN): (
        1,
        "a drive that answers",
        _DRIVE,
    ),
    (errno.EMFILE, errno.ENFILE): (1, "room for one more open file", _LIMIT),
    (errno.ENOLCK,): (1, "a disk with file locks", "Name a place on a disk that has them."),
    (errno.ENOENT,): (
        1,
        "a file or folder",
        "See who removes it, then run the same command again.",
    ),
    (errno.ENAMETOOLONG,): (
        2,
        "a name that the disk takes",
        "Shorten it: disks take 255 bytes.",
    ),
    (errno.ELOOP,): (2, "a link that leads somewhere", "Correct the links: they go in a circle."),
}
_DISK_FAULTS = {number: fault for numbers, fault in _FAULTS.items() for number in numbers}
_OTHER_FAULT = (1, "to read or write it", "Repair that, then run the same command again.")

Command = TypeVar("Command", bound=Callable[..., Any])


def reports_errors(command: Command) -> Command:
    """Print what went wrong as one message, and exit with its code."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        started = time.monotonic()
        try:
            command(*args, **kwargs)
            LOGGER.debug("done in %.1f s", time.monotonic() - started)
        except TokserError as error:
            _exit(error.exit_code, str(error))
        except UnicodeEncodeError as error:
            _exit(2, _not_encodable(error))
        except ImportError as error:
            if (error.name or "").startswith("tokser"):  # a bug of our own
                raise
            from tokser.missing_packages import missing_package  # slow to import

            missing = missing_package(error, command.__name__)
            if missing is not None:
                _exit(missing.exit_code, str(missing))
            _exit(2, _broken_installation(error))
        except OSError as error:
            if error.errno is None and _is_of_loader(error):
                _exit(2, _broken_installation(error))
            code, expected, remedy = _DISK_FAULTS.get(error.errno or 0, _OTHER_FAULT)
            where = _without_partial(str(error.filename or "disk"))
            _exit(code, f"{where}: expected {expected}, got {error.strerror or error}. {remedy}")
        except KeyboardInterrupt:
            tell("Stopped. What is done is kept: run the same command again.", err=True)
            sys.exit(1)

    return wrapped  # type: ignore[return-value]  # click only looks at the wrapped name and options


def _is_of_loader(error: OSError) -> bool:
    """Return whether a library could not be loaded by the system: such an error has no number."""
    return "shared object" in str(error) or "DLL" in str(error)


def _broken_installation(error: Exception) -> str:
    """Say what of the installation cannot be loaded."""
    name = getattr(error, "name", None) or "an installed package"
    return (
        f"{name}: expected one that can be imported, got {type(error).__name__}: {error}. "
        "Run `tokser doctor`, which says what does not fit, most often torch and torchaudio."
    )


def _not_encodable(error: UnicodeEncodeError) -> str:
    """Say why a name cannot be passed to the system: its locale, or the name itself."""
    encoding = sys.getfilesystemencoding()
    name = ascii(error.object[max(error.start - 20, 0) : error.end + 20])
    if encoding.lower() not in ("utf-8", "utf8"):
        return (
            f"{name}: expected an environment in UTF-8, got {encoding}. {UTF_8_REMEDY}, then run "
            "the same command again."
        )
    return f"{name}: expected a name in UTF-8, got other bytes. Rename the file or folder."


def _exit(code: int, message: str) -> NoReturn:
    tell(f"Error: {message}", colour="red", err=True)
    sys.exit(code)


def _without_partial(path: str) -> str:
    """Name the file that was to be written, not the one that it is written to first."""
    folder, name = os.path.split(path)
    parts = name.removeprefix(".").removesuffix(".partial").rsplit(".", 1)
    return os.path.join(folder, parts[0]) if name.endswith(".partial") else path  # noqa: PTH118
