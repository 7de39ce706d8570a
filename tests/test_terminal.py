import pytest
from rich.console import Console

from tokser import terminal
from tokser.extraction.summary import Summary
from tokser.stages.doctor import Finding


def text_of(table, width=80) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


@pytest.mark.parametrize("width", [60, 80])
def test_long_addresses_are_broken_and_never_cut(width):
    path = "/data/corpora/" + 20 * "long" + "/emodb"
    text = text_of(terminal.findings_table([Finding("emodb", "note", path, path)]), width)
    assert "…" not in text
    cells = [line.split("│") for line in text.splitlines() if "│" in line]
    assert "".join(cell[3].strip() for cell in cells) == path


def test_numbers_of_a_store_are_shown_whole():
    feature = {
        "name": "wav2vec2-large-xlsr-53-of-somebody/layer-24", "num_rows": 123_456_789, "dim": 1024,
        "dtype": "float16", "num_bytes": 9_876_543_210_000, "compression": "none",
        "complete_percent": 100.0, "pooled": True,
    }  # fmt: skip
    content = {"path": "a.zarr", "dataset": "d", "num_utterances": 1, "backend": "zarr"}
    text = text_of(terminal.store_table(content | {"format": 1, "features": [feature]}))
    assert "…" not in text and "123,456,789" in text and "9876.543" in text


def test_nested_provenance_is_shown_by_its_keys():
    digest = 64 * "a"
    content = {"provenance": {"run": {"trained_on": {"speech": {"weights_sha256": digest}}}}}
    text = text_of(terminal.provenance_table(content))
    assert "trained_on.speech.weights_sha256 aaaaaaaaaaaa…" in " ".join(text.split())


def test_the_speed_of_text_is_in_utterances():
    both = [
        Summary(kind, kind, 100, 100, 100, 0, 0, 0, audio_s=3600.0, seconds=10.0, num_bytes=1)
        for kind in ("speech", "text")
    ]
    speech, text = text_of(terminal.summary_table(both)).splitlines()[-3:-1]
    assert speech.split()[:6] == ["speech", "100", "100", "1.00", "360.0", "10.0"]
    assert text.split()[:4] == ["text", "100", "100", "10.0"]
