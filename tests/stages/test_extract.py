import hashlib
import threading
import time

import numpy as np
import pytest
import soundfile
import torch

import tokser
from tokser.config import ExtractSettings, PoolSettings
from tokser.encoders import load_encoder
from tokser.encoders.wav2vec2 import Wav2Vec2SpeechEncoder
from tokser.encoders.whisper import WhisperSpeechEncoder
from tokser.errors import InputError, QuarantinedError, RunError, StoreMismatchError
from tokser.stages.extract import extract
from tokser.stages.pool import pool
from tokser.store import GroupWriter, verify_store
from tokser.testing.encoders import build_tiny_wavlm

pytestmark = pytest.mark.slow


@pytest.fixture
def settings(emodb, tiny, tmp_path):
    def _settings(*encoders, **changes):
        names = encoders or ("tiny-whisper",)
        values = {
            "dataset": "emodb",
            "root": emodb,
            "store": str(tmp_path / "Speicher ü.zarr"),
            "encoders": tuple(str(tiny / name) for name in names),
        }
        return ExtractSettings(**values | changes)

    return _settings


def tree_digest(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    content = b"".join(str(f.relative_to(folder)).encode() + f.read_bytes() for f in files)
    return hashlib.sha256(content).hexdigest()


def test_the_store_holds_what_the_encoder_gives(settings, emodb, tiny):
    done = extract(settings("tiny-whisper", "tiny-bert"))
    assert done.features == (
        "tiny-whisper/layer-2",
        "tiny-bert/contextual",
    )
    store = tokser.open_store(done.store)
    assert store.features == [*done.features, "tiny-bert/word"]
    encoder = load_encoder(str(tiny / "tiny-whisper"), revision=None, device=torch.device("cpu"))
    for utterance, path in store.utterances["path"].items():
        samples, _ = soundfile.read(emodb / path, dtype="float32")
        (wanted,) = encoder.encode([samples], [2])
        found = store["tiny-whisper/layer-2"][utterance]
        np.testing.assert_allclose(found, wanted[2], rtol=2e-3, atol=2e-3)


def test_word_rows_are_the_embedding_table_of_the_tokens(settings, tiny):
    store = tokser.open_store(extract(settings("tiny-bert")).store)
    encoder = load_encoder(str(tiny / "tiny-bert"), revision=None, device=torch.device("cpu"))
    transcript = store.utterances.loc["08b01Ta", "transcript"]
    (ids,) = encoder.tokenize([transcript])
    np.testing.assert_allclose(
        store["tiny-bert/word"]["08b01Ta"], encoder.word_embeddings(ids), atol=1e-3
    )
    np.testing.assert_array_equal(store["tiny-bert/token_ids"]["08b01Ta"], ids)


def test_equal_transcripts_have_equal_bits(settings, monkeypatch):
    monkeypatch.setattr("tokser.store.layout.CHUNK_BYTES", 2_048)
    monkeypatch.setattr("tokser.extraction.load_batches.SEQUENCES_PER_BATCH", 2)
    done = extract(settings("tiny-bert", layers="all", dtype="float32"))
    pool(PoolSettings(store=done.store))
    store = tokser.open_store(done.store)
    same = list(
        store.utterances.groupby("transcript").groups["Der Lappen liegt auf dem Eisschrank."]
    )
    assert len(same) == 3
    shards = store.layout("tiny-bert").shard_of
    assert len({int(shards[store.position(one)]) for one in same}) > 1
    for name in ("tiny-bert/layer-0", "tiny-bert/layer-1", "tiny-bert/contextual"):
        first, *others = (store[name][one] for one in same)
        assert all(first.tobytes() == other.tobytes() for other in others)
        pooled = store.functionals(name).loc[same].to_numpy()
        assert (pooled == pooled[0]).all()


def test_each_layer_is_a_feature_of_its_own(settings):
    done = extract(settings("tiny-wavlm", layers="all"))
    assert done.features == tuple(f"tiny-wavlm/layer-{i}" for i in range(4))
    assert verify_store(tokser.open_store(done.store)).is_whole


def test_provenance_names_the_resampling_filter(settings, emodb, monkeypatch):
    plain = extract(settings(store=str(emodb.parent / "plain.zarr")))
    assert "resampling" not in tokser.open_store(plain.store).group("tiny-whisper").provenance
    soundfile.write(emodb / "wav" / "08a01Na.wav", np.zeros(8_000), 24_000)
    mixed = settings("tiny-whisper", "tiny-bert")
    store = tokser.open_store(extract(mixed).store)
    made_by = store.group("tiny-whisper").provenance["resampling"]
    assert made_by.startswith("resampling_method sinc_interp_kaiser, lowpass_filter_width 64")
    assert "resampling" not in store.group("tiny-bert").provenance
    monkeypatch.setattr("tokser.extraction.plan.RESAMPLING", "another")
    with pytest.raises(StoreMismatchError, match=r"resampling .*kaiser.* as in the store.*another"):
        extract(mixed.model_copy(update={"layers": "all"}))


def test_a_store_without_last_layer_in_provenance_is_refused(settings, tmp_path, monkeypatch):
    build_tiny_wavlm(tmp_path / "wavlm-large", layer_norm=True)
    large = settings(str(tmp_path / "wavlm-large"), layers="3")
    said = Wav2Vec2SpeechEncoder.provenance
    with monkeypatch.context() as older:
        older.setattr(
            Wav2Vec2SpeechEncoder,
            "provenance",
            lambda encoder: {k: v for k, v in said(encoder).items() if k != "last_layer"},
        )
        extract(large)
    with pytest.raises(StoreMismatchError, match="last_layer None as in the store"):
        extract(large.model_copy(update={"layers": "last"}))
    assert tokser.open_store(large.store).features == ["wavlm-large/layer-3"]


def test_a_second_call_finds_everything_done(settings, monkeypatch):
    extract(settings())
    monkeypatch.setattr(
        WhisperSpeechEncoder, "forward", lambda *_: pytest.fail("an encoder was run again")
    )
    assert extract(settings()).num_encoded == 0


def test_an_interrupted_run_ends_with_the_same_bytes(settings, monkeypatch, tmp_path):
    whole = settings(store=str(tmp_path / "whole.zarr"))
    monkeypatch.setattr("tokser.store.layout.CHUNK_BYTES", 4_096)
    extract(whole)
    plain, calls = WhisperSpeechEncoder.forward, []

    def stop_at_the_third(self, *arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return plain(self, *arguments)

    monkeypatch.setattr(WhisperSpeechEncoder, "forward", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        extract(settings())
    assert not threads_of_the_pipeline()
    assert not list(tmp_path.glob("*.lock.*"))
    monkeypatch.setattr(WhisperSpeechEncoder, "forward", plain)
    assert 0 < extract(settings()).num_encoded < 6
    again = settings().store
    assert tree_digest(tmp_path / "whole.zarr") == tree_digest(tmp_path / again)


def threads_of_the_pipeline():
    names = ("prefetch", "fetch", "commit")
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(names)]


def test_full_shards_are_committed_when_it_is_stopped(settings, monkeypatch):
    monkeypatch.setattr("tokser.store.layout.CHUNK_BYTES", 4_096)
    plain, calls = GroupWriter.commit, []

    def slow(self, shard, *arguments):
        time.sleep(0.3)
        calls.append(shard)
        return plain(self, shard, *arguments)

    monkeypatch.setattr(GroupWriter, "commit", slow)
    calls_of_forward, forward = [], WhisperSpeechEncoder.forward

    def stop_at_the_second(self, *arguments):
        calls_of_forward.append(1)
        if len(calls_of_forward) == 2:
            raise KeyboardInterrupt
        return forward(self, *arguments)

    monkeypatch.setattr(WhisperSpeechEncoder, "forward", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        extract(settings())
    store = tokser.open_store(settings().store)
    layer = store["tiny-whisper/layer-2"]
    assert calls == [0]
    assert [entry is not None for entry in layer.entries] == [True] + [False] * 5


@pytest.mark.parametrize("where", ["commit", "load"])
def test_an_error_in_a_thread_ends_all_threads(settings, monkeypatch, tmp_path, where):
    monkeypatch.setattr("tokser.store.layout.CHUNK_BYTES", 4_096)

    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        if where == "commit":
            patch.setattr(GroupWriter, "commit", fail)
        else:
            patch.setattr("tokser.extraction.prefetch.load_batch", fail)
        with pytest.raises(OSError, match="No space left"):
            extract(settings())
    assert not threads_of_the_pipeline()
    assert not list(tmp_path.glob("*.lock.*"))
    assert extract(settings()).num_encoded == 6


def test_an_overflow_error_names_layer_and_utterance(settings, monkeypatch, tmp_path):
    from tokser.encoders.fetch_activations import DeviceOutput

    def too_large(self, prepared, layers, dtype="float32"):
        frames = max(prepared.audible)
        states = {layer: torch.full((len(prepared.audible), frames, 64), 1e5) for layer in layers}
        return DeviceOutput(states, [[(i, n)] for i, n in enumerate(prepared.audible)], dtype)

    monkeypatch.setattr(WhisperSpeechEncoder, "forward", too_large)
    message = r"tiny-whisper, layer 2, .* values up to 1e\+05, and 0 not finite.*--dtype float32"
    with pytest.raises(RunError, match=message):
        extract(settings())
    wide = settings(dtype="float32", store=str(tmp_path / "wide.zarr"))
    assert extract(wide).num_encoded == 6


def test_the_summary_counts_rates_windows_and_quarantine(settings, emodb):
    rng = np.random.default_rng(0)
    soundfile.write(emodb / "wav" / "08a01Na.wav", rng.normal(0, 0.1, 44_100), 44_100)
    soundfile.write(emodb / "wav" / "03a01Fa.wav", rng.normal(0, 0.1, 31 * 16_000), 16_000)
    (emodb / "wav" / "09a01La.wav").write_bytes(b"")
    whisper, bert = extract(settings("tiny-whisper", "tiny-bert")).summaries
    assert (whisper.encoder, whisper.num_usable, whisper.num_encoded) == ("tiny-whisper", 5, 5)
    assert (whisper.num_quarantined, whisper.num_resampled, whisper.num_windowed) == (1, 1, 1)
    assert 32 < whisper.audio_s < 37
    assert whisper.num_bytes > 0 < whisper.seconds
    assert (bert.num_usable, bert.num_encoded, bert.num_windowed) == (6, 6, 0)
    again = extract(settings("tiny-whisper", "tiny-bert")).summaries
    assert [(one.num_encoded, one.num_bytes) for one in again] == [(0, 0), (0, 0)]


def break_empty(path):
    path.write_bytes(b"")


def break_text(path):
    path.write_text("no audio at all")


def break_zero_samples(path):
    soundfile.write(path, np.zeros(0), 16_000)


def break_nan(path):
    samples = np.full(8_000, 0.1, dtype=np.float32)
    samples[17] = np.nan
    soundfile.write(path, samples, 16_000, subtype="FLOAT")


def break_short_flac(path):
    flac = path.with_suffix(".flac")
    soundfile.write(flac, np.random.default_rng(0).normal(0, 0.1, 48_000), 16_000)
    data = flac.read_bytes()
    flac.unlink()
    path.write_bytes(data[: len(data) // 2])  # libsndfile tells formats by content


@pytest.mark.parametrize(
    "damage", [break_empty, break_text, break_zero_samples, break_nan, break_short_flac]
)
def test_a_broken_recording_is_quarantined(settings, emodb, damage):
    damage(emodb / "wav" / "08a01Na.wav")
    done = extract(settings("tiny-whisper", "tiny-wavlm"))
    assert list(done.quarantined) == ["08a01Na"]
    store = tokser.open_store(done.store)
    for feature in store.features:
        assert len(store[feature].ids) == 5
        with pytest.raises(QuarantinedError, match="in quarantine"):
            store[feature]["08a01Na"]
    assert verify_store(store).is_whole


def test_a_corpus_without_a_usable_recording_is_refused(settings, emodb):
    for path in (emodb / "wav").iterdir():
        path.write_bytes(b"")
    with pytest.raises(InputError, match=r"usable utterance, got none \(03a01Fa: .*nothing was"):
        extract(settings())
    assert not list(emodb.parent.glob("*.zarr*"))


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_frames_follow_the_duration_at_any_rate_and_channels(settings, emodb, rate, channels):
    samples = np.random.default_rng(0).normal(0, 0.1, (rate, channels))
    soundfile.write(emodb / "wav" / "08a01Na.wav", samples, rate)
    store = tokser.open_store(extract(settings()).store)
    assert store["tiny-whisper/layer-2"].lengths["08a01Na"] == 50


def test_audio_beyond_thirty_seconds_and_of_one_sample(settings, emodb):
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000 * 31)
    soundfile.write(emodb / "wav" / "08a01Na.wav", noise, 16_000)
    soundfile.write(emodb / "wav" / "03a01Fa.wav", noise[:1], 16_000)
    done = extract(settings("tiny-whisper", "tiny-wavlm"))
    store = tokser.open_store(done.store)
    assert store["tiny-whisper/layer-2"].lengths[["08a01Na", "03a01Fa"]].tolist() == [1_550, 1]
    assert done.quarantined == {"03a01Fa": "1 samples at 16 kHz, tiny-wavlm needs 400"}


def test_an_empty_transcript_quarantines_the_text_only(tiny, tmp_path):
    root = tmp_path / "LibriSpeech" / "dev-clean" / "84" / "121"
    root.mkdir(parents=True)
    for number in range(3):
        noise = np.random.default_rng(number).normal(0, 0.1, 16_000)
        soundfile.write(root / f"84-121-000{number}.flac", noise, 16_000)
    (root / "84-121.trans.txt").write_text("84-121-0000 GO NOW\n84-121-0001 \n")
    settings = ExtractSettings(
        dataset="librispeech",
        root=tmp_path / "LibriSpeech",
        store=str(tmp_path / "libri.zarr"),
        encoders=(str(tiny / "tiny-whisper"), str(tiny / "tiny-bert")),
    )
    done = extract(settings)
    assert done.quarantined == dict.fromkeys(("84-121-0001", "84-121-0002"), "empty transcript")
    store = tokser.open_store(done.store)
    assert len(store["tiny-whisper/layer-2"].ids) == 3
    assert store["tiny-bert/contextual"].ids == ["84-121-0000"]


def test_a_store_of_another_corpus_is_refused_and_kept(settings, tiny, tmp_path):
    done = extract(settings())
    before = tree_digest(tmp_path / done.store)
    root = tmp_path / "libri" / "dev-clean" / "84" / "121"
    root.mkdir(parents=True)
    soundfile.write(root / "84-121-0000.flac", np.full(8_000, 0.1), 16_000)
    other = settings(dataset="librispeech", root=tmp_path / "libri")
    with pytest.raises(StoreMismatchError, match=r"expected dataset emodb .*got librispeech"):
        extract(other)
    assert tree_digest(tmp_path / done.store) == before


def test_another_model_of_the_same_name_is_refused(settings, tmp_path):
    from tokser.testing.encoders import build_tiny_whisper

    done = extract(settings())
    before = tree_digest(tmp_path / done.store)
    build_tiny_whisper(tmp_path / "tiny-whisper", seed=1)
    with pytest.raises(StoreMismatchError, match=r"weights_sha256 .* as in the store, got"):
        extract(settings(encoders=(str(tmp_path / "tiny-whisper"),)))
    assert tree_digest(tmp_path / done.store) == before


def test_real_whisper_functionals_equal_plain_transformers(real_data, tmp_path):
    """The real Whisper-base on a real recording, all layers, relative 1e-4."""
    from transformers import WhisperFeatureExtractor
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    root = tmp_path / "emodb" / "wav"
    root.mkdir(parents=True)
    recording = real_data / "data" / "emodb" / "wav" / "03a01Fa.wav"
    (root / recording.name).symlink_to(recording)
    weights = real_data / "models" / "whisper-base"
    done = extract(
        ExtractSettings(
            dataset="emodb",
            root=root.parent,
            store=str(tmp_path / "emodb.zarr"),
            encoders=(str(weights),),
            layers="all",
        )
    )
    model = WhisperEncoder.from_pretrained(
        weights, key_mapping={r"^model\.encoder\.": ""}, dtype=torch.float32
    ).eval()
    samples, rate = soundfile.read(recording, dtype="float32")
    mel = WhisperFeatureExtractor.from_pretrained(weights)(
        samples, sampling_rate=rate, return_tensors="pt"
    )
    with torch.no_grad():
        hidden = model(mel.input_features, output_hidden_states=True).hidden_states
    store = tokser.open_store(done.store)
    for layer, states in enumerate(hidden):
        wanted = states[0, : -(-len(samples) // 320)].numpy().astype(np.float64)
        found = store[f"whisper-base/layer-{layer}"]["03a01Fa"].astype(np.float64)
        for moment in (np.mean, np.std):
            error = np.linalg.norm(moment(found, 0) - moment(wanted, 0))
            assert error / np.linalg.norm(moment(wanted, 0)) < 1e-4
