import pytest

from tokser.experiments.calibration.promise import promise_of, shortfall


@pytest.mark.parametrize(
    ("exchangeable", "num", "stamp", "promise"),
    [
        ("speakers", 9, "", "an utterance of a new speaker"),
        ("utterances", 90, "", "an utterance of the speakers that calibrate"),
        ("speakers", 9, "LEAKS SPEAKERS", "none: LEAKS SPEAKERS"),
    ],
)
def test_a_promise_says_for_whom(exchangeable, num, stamp, promise):
    assert promise_of(exchangeable, 0.9, num, "speaker", stamp) == promise


def test_a_shortfall_says_what_would_suffice():
    assert shortfall("speakers", 0.9, 7, "session") == (
        "7 sessions can promise at most 87.5 %; 90 % takes 9: sets hold every class"
    )
    assert shortfall("speakers", 0.9, 9, "session") == ""
