import json
import math

import pytest

from tokser.extraction import progress as module
from tokser.extraction.progress import Meter, Pace, metered


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_without_a_terminal_the_end_is_one_line_of_json(capsys):
    with metered("whisper-base -> a.zarr", "whisper-base", Pace(10, 2)) as meter:
        meter.encoded(3, 7.2)
        meter.encoded(1, 7.2)
        meter.committed(0, num_bytes=2_000_000, num_unusable=1)
        meter.done_elsewhere(5)
    (found,) = lines(capsys)
    seconds = found.pop("seconds")
    assert seconds >= 0
    assert found.pop("times_real_time") > 0
    assert found == {
        "stage": "extract",
        "encoder": "whisper-base",
        "state": "done",
        "utterances": 10,
        "utterances_total": 10,
        "audio_hours": 0.004,
        "gb_written": 0.002,
        "shards": 2,
        "shards_total": 2,
        "shard": 0,
        "eta_s": 0.0,
    }


def test_lines_are_said_now_and_then_and_the_last_says_how_it_ended(capsys):
    with pytest.raises(KeyboardInterrupt), metered("a", "a", Pace(4, 1)) as meter:
        meter._every_s = 0.0
        meter.encoded(1, 1.0)
        raise KeyboardInterrupt
    first, last = lines(capsys)
    assert (first["state"], last["state"]) == ("running", "stopped")
    assert first["eta_s"] >= 0


def test_what_is_left_follows_the_pace_of_this_process():
    pace = Pace(100, 4)
    assert pace.seconds_left(5.0) is None
    pace.encoded, pace.done = 10, 50  # forty were done elsewhere
    assert pace.seconds_left(5.0) == 25.0
    pace.audio_s = 20.0
    assert pace.times_real_time(5.0) == 4.0


def test_a_silent_meter_only_counts(capsys):
    meter = Meter("a", Pace(1, 1), every_s=math.inf)
    meter.encoded(1, 2.0)
    assert (meter.pace.encoded, meter.pace.audio_s) == (1, 2.0)
    assert capsys.readouterr().err == ""


def test_on_a_terminal_there_is_a_bar_with_all_of_it(monkeypatch):
    import io

    from rich.console import Console

    shown = io.StringIO()
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    console = Console(file=shown, force_terminal=True, width=160)
    monkeypatch.setattr(module, "console", console)
    with metered("whisper-base -> a.zarr", "whisper-base", Pace(10, 2)) as meter:
        meter.encoded(5, 3_600.0)
        meter.committed(0, num_bytes=2_000_000_000)
    text = shown.getvalue()
    for part in ("5/10 utterances", "1.00 h", "x real time", "2.00 GB", "shard 1/2", "left"):
        assert part in text
