import math
import re

import pytest

from tokser.extraction import progress as module
from tokser.extraction.progress import ExtractionProgress, ProgressReporter, report_progress


def lines(capsys):
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("kind", "speed"),
    [("speech", "0.00 h of audio, [0-9.]+ x real time"), ("text", "[0-9.]+ utterances/s")],
)
def test_without_a_terminal_the_end_is_one_line(capsys, kind, speed):
    with report_progress("base -> a.zarr", "base", ExtractionProgress(10, 2, kind)) as reporter:
        reporter.encoded(3, 7.2)
        reporter.encoded(1, 7.2)
        reporter.committed(0, num_bytes=20_000_000, num_quarantined=1)
        reporter.done_elsewhere(5)
    (found,) = lines(capsys)
    expected = f"base: done, 10/10 utterances, {speed}, 0.02 GB, shard 2/2, 0:00:00 so far"
    assert re.fullmatch(expected, found)


def test_lines_while_it_runs_and_one_that_states_the_end(capsys):
    with (
        pytest.raises(KeyboardInterrupt),
        report_progress("a", "a", ExtractionProgress(4, 1)) as reporter,
    ):
        reporter._every_s = 0.0
        reporter.encoded(1, 1.0)
        raise KeyboardInterrupt
    first, last = lines(capsys)
    assert first.startswith("a: running, 1/4 utterances") and " left, " in first
    assert last.startswith("a: stopped, 1/4 utterances")


def test_time_left_follows_the_speed_of_this_process():
    progress = ExtractionProgress(100, 4)
    assert progress.seconds_left(5.0) is None
    progress.encoded, progress.done = 10, 50  # forty were done elsewhere
    assert progress.seconds_left(5.0) == 25.0
    progress.audio_s = 20.0
    assert progress.times_real_time(5.0) == 4.0


def test_an_infinite_interval_prints_nothing(capsys):
    reporter = ProgressReporter("a", ExtractionProgress(1, 1), every_s=math.inf)
    reporter.encoded(1, 2.0)
    assert (reporter.progress.encoded, reporter.progress.audio_s) == (1, 2.0)
    assert capsys.readouterr().err == ""


def test_on_a_terminal_there_is_a_bar_with_all_of_it(monkeypatch):
    import io

    from rich.console import Console

    shown = io.StringIO()
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    console = Console(file=shown, force_terminal=True, width=160)
    monkeypatch.setattr(module, "console", lambda: console)
    with report_progress(
        "whisper-base -> a.zarr", "whisper-base", ExtractionProgress(10, 2)
    ) as reporter:
        reporter.encoded(5, 3_600.0)
        reporter.committed(0, num_bytes=2_000_000_000)
    text = shown.getvalue()
    for part in ("5/10 utterances", "1.00 h", "x real time", "2.00 GB", "shard 1/2", "left"):
        assert part in text
