import numpy as np
import pytest
import torch

from tokser.errors import InputError, RunError
from tokser.pretrain.batches import Pairs


@pytest.fixture
def make_pairs(memory):
    def feature(name: str, lengths: dict[str, int], dim: int):
        rng = np.random.default_rng(len(name))
        rows = {u: rng.normal(size=(n, dim)).astype(np.float16) for u, n in lengths.items()}
        return memory(name, rows)

    def make(
        frames={"a": 7, "b": 5, "silent": 3, "speech only": 4},  # noqa: B006  never changed
        tokens={"a": 4, "b": 3, "silent": 2, "text only": 5},  # noqa: B006
        *,
        layers: int = 1,
        special_tokens: bool = True,
    ) -> Pairs:
        speech = tuple(feature("whisper/layer-6"[: -i or None], frames, 6) for i in range(layers))
        text = [feature(name, tokens, 4) for name in ("bert/word", "bert/contextual")]
        return Pairs(speech, *text, special_tokens)

    return make


def test_utterances_need_speech_and_text(make_pairs):
    assert make_pairs().ids() == ["a", "b", "silent"]


def test_without_special_tokens_empty_texts_are_left_out(make_pairs):
    assert make_pairs(special_tokens=False).ids() == ["a", "b"]


def test_no_common_utterance_says_what_to_extract(make_pairs):
    with pytest.raises(InputError, match=r"speech and a transcript, got none\. Extract"):
        make_pairs({"x": 3}, {"y": 3}).ids()


@pytest.mark.parametrize("special_tokens", [True, False])
def test_a_batch_holds_each_utterances_rows_one_after_the_other(make_pairs, special_tokens):
    pairs = make_pairs(special_tokens=special_tokens)
    batch = pairs.gather(["b", "a"])
    inner = slice(None) if special_tokens else slice(1, -1)
    assert batch.ids == ["b", "a"]
    for rows, counts, source, part in (
        (batch.inputs.speech[0], batch.inputs.num_frames, pairs.speech[0], slice(None)),
        (batch.inputs.queries, batch.inputs.num_tokens, pairs.queries, inner),
        (batch.teacher, batch.num_tokens, pairs.teacher, inner),
    ):
        expected = [source.by_id[name][part] for name in batch.ids]
        assert counts.tolist() == [len(own) for own in expected]
        np.testing.assert_array_equal(rows, np.concatenate(expected))
    assert batch.inputs.speech.dtype == torch.float16
    assert batch.teacher.dtype == batch.inputs.queries.dtype == torch.float32


def test_layers_that_are_mixed_lie_one_after_the_other(make_pairs):
    pairs = make_pairs(layers=3)
    speech = pairs.gather(["b", "a"]).inputs.speech
    assert speech.shape == (3, 12, 6)
    for rows, source in zip(speech, pairs.speech, strict=True):
        np.testing.assert_array_equal(rows[:5], source.by_id["b"])


def test_mismatched_speech_keeps_the_text(make_pairs):
    pairs = make_pairs()
    matched, mismatched = pairs.gather(["a", "b"]), pairs.gather(["a", "b"], {"a": "b", "b": "a"})
    torch.testing.assert_close(mismatched.teacher, matched.teacher)
    assert mismatched.inputs.num_frames.tolist() == matched.inputs.num_frames.flip(0).tolist()
    torch.testing.assert_close(mismatched.inputs.speech[:, :5], matched.inputs.speech[:, 7:])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("feature", ["speech", "queries", "teacher"])
def test_a_row_not_finite_names_feature_and_utterance(make_pairs, feature, bad):
    pairs = make_pairs()
    source = pairs.speech[0] if feature == "speech" else getattr(pairs, feature)
    source.by_id["b"][1, 0] = bad
    pairs.require_finite(pairs.gather(["a"]))
    with pytest.raises(RunError, match=f"{source.name}, b: expected finite activations"):
        pairs.require_finite(pairs.gather(["a", "b"]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gets_the_same_rows_by_itself(make_pairs):
    batch = make_pairs().gather(["a", "b"])
    moved = batch.pin_memory().to(torch.device("cuda"))
    torch.testing.assert_close(moved.teacher.cpu(), batch.teacher, rtol=0, atol=0)
    torch.testing.assert_close(moved.inputs.speech.cpu(), batch.inputs.speech, rtol=0, atol=0)
    assert moved.num_tokens.device.type == "cpu"
