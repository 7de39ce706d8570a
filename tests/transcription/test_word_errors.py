import jiwer
import pandas as pd
import pytest

from tokser.errors import InputError
from tokser.transcription.transcript import Transcript
from tokser.transcription.word_errors import compare_transcripts

SAID = ["Mister Smith, it's colour!", "ONE two three four", "Guten Morgen!", "so", "A b c", ""]
HEARD = ["Mr. Smith, it's color", "one three four five", "guten Tag", "", "a b c d e f g h", "x"]


class Listening:
    def __init__(self, spellings=None):
        self._spellings = spellings or {}

    def spellings(self):
        return self._spellings


def compared(speakers, said=SAID, heard=HEARD, language="de", spellings=None):
    ids = [f"u{i}" for i in range(len(said))]
    table = pd.DataFrame({"transcript": said, "speaker": speakers}, index=ids)
    found = {i: Transcript(text, language, 0.5) for i, text in zip(ids, heard, strict=True)}
    return compare_transcripts(table, found, Listening(spellings))


def test_rates_are_those_of_jiwer_over_everything():
    found = compared(list("abcdef"))
    said, heard = found.table["transcript"].to_list(), found.table["recognised"].to_list()
    assert found.wer.value == pytest.approx(jiwer.wer(said, heard))
    assert found.cer.value == pytest.approx(jiwer.cer(said, heard))
    assert found.num_left_out == 1
    assert found.units == "speakers"
    assert found.wer.interval.low <= found.wer.value <= found.wer.interval.high
    assert found.normaliser == "BasicTextNormalizer of transformers"


def test_few_or_unknown_speakers_make_utterances_the_unit():
    assert compared(list("aabbaa")).units == "utterances"
    assert compared(["", *"bcdef"]).units == "utterances"


def test_no_error_has_an_interval_that_begins_at_zero():
    found = compared(list("abcd"), said=["ja nein"] * 4, heard=["Ja, nein."] * 4)
    assert found.wer.value == 0
    assert found.wer.interval.low == 0
    assert 0 < found.wer.interval.high < 1


def test_english_is_normalised_as_english():
    pair = {"said": ["Mister Smith, it's colour!"] * 4, "heard": ["mr smith it is color"] * 4}
    found = compared(list("abcd"), **pair, language="en", spellings={"colour": "color"})
    assert found.wer.value == 0
    assert found.normaliser == "EnglishTextNormalizer of transformers"
    plain = compared(list("abcd"), **pair, language="en")
    assert plain.wer.value > 0
    assert "without its list of British spellings" in plain.normaliser


def test_nothing_to_compare_with_is_refused():
    with pytest.raises(InputError, match="expected transcripts that were given"):
        compared(["a"], said=["!"], heard=["x"])
