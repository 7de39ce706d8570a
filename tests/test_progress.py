from contextlib import contextmanager

from tokser import progress as module
from tokser.progress import progress_bar


def test_without_a_terminal_the_end_is_one_line(capsys):
    with progress_bar("pool x", total=3, unit="utterances") as bar:
        bar.advance()
        bar.advance(2)
    assert "pool x: 3/3 utterances" in capsys.readouterr().err


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
