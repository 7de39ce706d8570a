from tokser.extraction.summary import Summary
from tokser.terminal.extraction import summary_table


def test_the_speed_of_text_is_in_utterances(text_of):
    both = [
        Summary(kind, kind, 100, 100, 100, 0, 0, 0, audio_s=3600.0, seconds=10.0, num_bytes=1)
        for kind in ("speech", "text")
    ]
    speech, text = text_of(summary_table(both)).splitlines()[-3:-1]
    assert speech.split()[:6] == ["speech", "100", "100", "1.00", "360.0", "10.0"]
    assert text.split()[:4] == ["text", "100", "100", "10.0"]
