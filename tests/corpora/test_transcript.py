from pathlib import Path

from tokser.corpora.transcript import (
    emodb_sentences,
    read_iemocap_transcripts,
    read_librispeech_transcripts,
    read_text,
)


def test_emodb_has_its_ten_sentences_with_umlauts() -> None:
    codes = ["a01", "a02", "a04", "a05", "a07", "b01", "b02", "b03", "b09", "b10"]
    assert list(emodb_sentences()) == codes
    assert emodb_sentences()["a04"] == "Heute abend könnte ich es ihm sagen."
    assert "Tüten" in emodb_sentences()["b01"]
    assert len(set(emodb_sentences().values())) == 10


def test_librispeech_lines_are_id_and_words(tmp_path: Path) -> None:
    path = tmp_path / "1-2.trans.txt"
    path.write_text("1-2-0000 HE SAID  DON'T\r\n\n1-2-0001\n1-2-0002 YES", encoding="utf-8")
    assert read_librispeech_transcripts(path) == {
        "1-2-0000": "HE SAID DON'T",
        "1-2-0001": "",
        "1-2-0002": "YES",
    }


def test_a_real_transcript_file_is_read(real_data: Path) -> None:
    folder = real_data / "data/LibriSpeech/dev-clean/1272/128104"
    transcripts = read_librispeech_transcripts(folder / "1272-128104.trans.txt")
    assert transcripts["1272-128104-0001"] == (
        "NOR IS MISTER QUILTER'S MANNER LESS INTERESTING THAN HIS MATTER"
    )


def test_iemocap_lines_without_an_id_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "Ses01F_impro01.txt"
    path.write_text(
        "Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.\n"
        "M: [BREATHING]\n"
        "Ses01F_impro01_M000 [007.5712-010.4750]: Do you have your  forms? [LAUGHTER]\r\n"
        "\n"
        "Ses01F_impro01_F001 [010.0100-011.3934]:\n"
    )
    assert read_iemocap_transcripts(path) == {
        "Ses01F_impro01_F000": "Excuse me.",
        "Ses01F_impro01_M000": "Do you have your forms? [LAUGHTER]",
        "Ses01F_impro01_F001": "",
    }


def test_text_is_utf_8_or_else_latin_1(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for encoding in ("utf-8", "utf-8-sig", "latin-1"):
        path.write_bytes("natürlich".encode(encoding))
        assert read_text(path) == "natürlich"
