"""Locks as files: the system frees those of a dead process."""

import errno

from filelock import FileLock

from tokser.errors import RunError

__all__ = ["acquire"]

_NO_LOCKS = frozenset(
    {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF}
)
"""What a disk without file locks answers, by its driver."""


def acquire(lock: FileLock, timeout_s: float, *, remedy: str) -> None:
    """Take a lock.

    Args:
        lock: The lock, free, in a folder that exists.
        timeout_s: How long to wait for its owner; negative: for as long as it takes.
        remedy: What to do where files cannot be locked.

    Raises:
        Timeout: Another process has it.
        RunError: The disk has no file locks.
        OSError: The folder cannot be written.
    """
    try:
        lock.acquire(timeout=timeout_s)
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise
        raise RunError(
            lock.lock_file, expected="a disk with file locks", got=str(error), remedy=remedy
        ) from error
