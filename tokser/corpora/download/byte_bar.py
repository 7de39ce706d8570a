"""A progress bar that counts bytes and shows megabytes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tokser.progress import progress_bar

__all__ = ["byte_bar"]

_MB = 10**6


@contextmanager
def byte_bar(description: str, *, total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Show progress over `total` bytes, `done` of them earlier; yields a function to add bytes."""
    with progress_bar(description, total=max(1, total // _MB), unit="MB") as bar:
        num_bytes = 0

        def count(more: int) -> None:
            nonlocal num_bytes
            before = num_bytes // _MB
            num_bytes += more
            if num_bytes // _MB > before:
                bar.advance(num_bytes // _MB - before)

        count(done)
        yield count
