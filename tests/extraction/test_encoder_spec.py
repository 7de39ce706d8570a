"""How an encoder is loaded: the same on every machine."""

from tokser.extraction.encoder_spec import EncoderSpec


def test_a_local_folder_becomes_absolute_and_a_hub_id_stays(tmp_path, monkeypatch):
    (tmp_path / "tiny").mkdir()
    monkeypatch.chdir(tmp_path)
    assert EncoderSpec("tiny").with_absolute_source().source == str(tmp_path / "tiny")
    hub = EncoderSpec("openai/whisper-base", revision="main")
    assert hub.with_absolute_source() == hub


def test_a_batch_is_as_large_as_named_or_as_suits_the_device():
    assert EncoderSpec("a", device="cpu", batch_seconds=12.5).batch_seconds_here() == 12.5
    assert EncoderSpec("a", device="cpu").batch_seconds_here() == 30.0


def test_a_spec_loads_its_encoder(tiny):
    encoder = EncoderSpec(str(tiny / "tiny-bert"), device="cpu", precision="bf16").load()
    assert (encoder.name, encoder.provenance()["precision"]) == ("tiny-bert", "bfloat16")
