import pytest
from torchaudio.datasets import librispeech as torchaudio_librispeech

from tokser.corpora.download.published import known_of, published_archives
from tokser.errors import CorpusError, SettingsError

SPLITS = tuple(known_of("librispeech")["splits"])


def test_every_split_has_the_checksum_that_torchaudio_checks():
    table = torchaudio_librispeech._CHECKSUMS
    found = {archive.url: archive.checksum for archive in published_archives("librispeech", SPLITS)}
    assert len(found) == 7
    assert found == {
        url.replace("http://", "https://"): f"sha256:{digest}" for url, digest in table.items()
    }


def test_the_960_hours_are_60_gigabytes():
    archives = published_archives("librispeech", [s for s in SPLITS if s.startswith("train")])
    assert sum(archive.num_bytes for archive in archives) == 60_030_288_990
    assert [archive.name for archive in archives] == [s for s in SPLITS if s.startswith("train")]


def test_emodb_is_one_archive_without_a_published_checksum():
    (archive,) = published_archives("emodb")
    assert archive.url == "http://emodb.bilderbar.info/download/download.zip"
    assert (archive.file_name, archive.checksum, archive.num_utterances) == (
        "download.zip",
        "",
        535,
    )


def test_a_mirror_has_the_same_files():
    (archive,) = published_archives("librispeech", ["dev-clean"], mirror="https://x.org/12/")
    assert archive.url == "https://x.org/12/dev-clean.tar.gz"
    assert archive.checksum.startswith("sha256:")


def test_a_split_that_is_named_twice_comes_once():
    assert len(published_archives("librispeech", ["dev-clean", "dev-clean"])) == 1


def test_unknown_splits_are_named_with_the_known_ones():
    with pytest.raises(SettingsError, match=r"dev-clean \(0\.3 GB\).*got dev-cleen, x\. Name"):
        published_archives("librispeech", ["dev-cleen", "dev-clean", "x"])
    with pytest.raises(SettingsError, match=r"train-other-500 \(30\.6 GB\), got none\."):
        published_archives("librispeech")
    with pytest.raises(
        SettingsError, match="no splits with emodb, which is a single archive, got dev-clean"
    ):
        published_archives("emodb", ["dev-clean"])


def test_the_iemocap_error_names_the_licence():
    with pytest.raises(CorpusError, match=r"licence.*sail\.usc\.edu.*Session1 to Session5"):
        published_archives("iemocap")
