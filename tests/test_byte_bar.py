from contextlib import contextmanager

from tokser import byte_bar as module


def test_bytes_become_whole_megabytes(monkeypatch):
    advanced = []

    class Bar:
        def advance(self, amount):
            advanced.append(amount)

    @contextmanager
    def progress_bar(description, *, total, unit):
        assert (description, total, unit) == ("x", 5, "MB")
        yield Bar()

    monkeypatch.setattr(module, "progress_bar", progress_bar)
    with module.byte_bar("x", total=5_400_000, done=1_500_000) as count:
        for _ in range(39):
            count(100_000)
    assert sum(advanced) == 5
    assert advanced == [1, 1, 1, 1, 1]
