import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokser.report import naming


def test_a_selection_has_the_name_of_all_its_members():
    teachers = {"mono-base": "bert-base-uncased/contextual", "mono-large": "bert/contextual"}
    teachers |= {"multi-base": "bert-base-multilingual-cased/contextual"}
    both = "best(mono-base/aligned, mono-large/aligned)"
    assert naming.published_label(both, teachers) == "Ours (Mono)"
    assert naming.published_label("best(mono-base/aligned, multi-base/aligned)", teachers) is None
    assert naming.published_label("best(whisper-base/layer-0..6)", {}) == "Whisper"
    assert naming.published_label("mean(wavlm/layer-1, whisper-base/layer-2)", {}) is None


@given(st.lists(st.integers(0, 200), unique=True))
def test_layers_sort_by_number(layers):
    names = [f"wavlm-base/layer-{layer}" for layer in layers]
    ordered = sorted(names, key=naming.natural_key)
    assert ordered == [f"wavlm-base/layer-{layer}" for layer in sorted(layers)]


@pytest.mark.slow
@given(st.lists(st.text()))
def test_any_names_can_be_sorted(names):
    assert sorted(sorted(names, key=naming.natural_key)) == sorted(names)


def test_unseen_speakers_come_first_and_the_random_split_last():
    assert naming.order_protocols(["random", "fixed", "speaker"]) == ["speaker", "fixed", "random"]


def test_a_layer_is_split_from_its_group():
    assert naming.layer_of("whisper-base/layer-12") == ("whisper-base", 12)
    assert naming.layer_of("bert-base-uncased/contextual") is None


@pytest.mark.parametrize(
    ("features", "label"),
    [
        ("whisper-base/layer-6", "Whisper"),
        ("wavlm-base-plus/layer-9", "WavLM"),
        ("bert-base-uncased/contextual", "BERT (Mono)"),
        ("bert-base-multilingual-cased/contextual", "BERT (Multi)"),
        ("bert-base-uncased/word", None),
        ("hubert-base/layer-3", None),
        ("wide/aligned", "Ours (Multi)"),
        ("demo/aligned", "Ours (Mono)"),
        ("stranger/aligned", "Ours"),
    ],
)
def test_features_find_their_row_of_table_3(features, label):
    teachers = {
        "wide": "bert-base-multilingual-cased/contextual",
        "demo": "bert-base-uncased/contextual",
    }
    assert naming.published_label(features, teachers) == label


@pytest.mark.parametrize(
    ("dataset", "meaning"),
    [("emodb", "Leave one speaker out."), ("iemocap", "Leave one session out.")],
)
def test_a_protocol_is_described_for_its_dataset(dataset, meaning):
    assert naming.protocol_meaning("speaker", dataset) == meaning
    assert ("by sessions" in naming.protocol_meaning("fixed", dataset)) is (dataset == "iemocap")
    assert "speakers" in naming.protocol_meaning("kfold", dataset)
    assert naming.protocol_meaning("mine", dataset) == ""


def test_differences_carry_their_sign():
    assert naming.signed(3.14) == "+3.1"
    assert naming.signed(-2) == "\N{MINUS SIGN}2.0"
