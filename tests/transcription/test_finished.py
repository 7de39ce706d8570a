import math

import pytest

from tokser.errors import RunError
from tokser.transcription.finished import Finished
from tokser.transcription.transcript import Transcript

GOOD = Transcript('Größe, "so"\u2028und so', "de", 0.123456789, "")
SILENT = Transcript.without_speech("en")


def test_transcripts_come_back_as_they_were(tmp_path):
    path = tmp_path / "t.jsonl"
    with Finished(path).begun() as finished:
        finished.put({"a": GOOD})
        finished.put({"b": SILENT})
    with Finished(path).begun() as again:
        assert again.get("a") == GOOD
        assert again.get("b").note == "no speech"
        assert math.isnan(again.get("b").confidence)
        assert again.get("c") is None
    assert not (tmp_path / "t.jsonl.lock").exists()


@pytest.mark.parametrize("num_bytes", [1, 10, 60])
def test_a_torn_line_is_left_out_and_the_rest_kept(tmp_path, num_bytes, caplog):
    path = tmp_path / "t.jsonl"
    with Finished(path).begun() as finished:
        finished.put({"a": GOOD, "b": SILENT})
    path.write_bytes(path.read_bytes()[:-num_bytes])
    with Finished(path).begun() as again:
        assert again.get("a") == GOOD
        assert (again.get("b") is None) == (num_bytes > 1)
        again.put({"c": GOOD})
    with Finished(path).begun() as third:
        assert third.get("a") == third.get("c") == GOOD


def test_a_changed_line_does_not_count(tmp_path):
    path = tmp_path / "t.jsonl"
    with Finished(path).begun() as finished:
        finished.put({"a": GOOD})
    path.write_text(path.read_text().replace("0.123", "0.923"))
    with Finished(path).begun() as again:
        assert again.get("a") is None


def test_only_one_process_writes(tmp_path):
    path = tmp_path / "t.jsonl"
    with (
        Finished(path).begun(),
        pytest.raises(RunError, match="no other process that transcribes"),
        Finished(path).begun(),
    ):
        pass


def test_without_a_file_they_are_kept_in_memory():
    with Finished(None).begun() as finished:
        finished.put({"a": GOOD})
        assert finished.get("a") == GOOD
