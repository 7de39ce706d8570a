import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokser.store.feature_name import FeatureName, functionals_group, rows_group

WORD = st.text(st.characters(codec="utf-8", exclude_characters="/@"), min_size=1)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("whisper-base/layer-6", FeatureName("whisper-base", "layer-6")),
        (
            "functionals/whisper-base/layer-6",
            FeatureName("whisper-base", "layer-6", is_functionals=True),
        ),
        (
            "functionals/bert/word@q97.5",
            FeatureName("bert", "word", "q97.5", is_functionals=True),
        ),
        ("bert/parts/2/word", FeatureName("bert", "word", part=2)),
        (
            "functionals/bert/parts/1/word@max",
            FeatureName("bert", "word", "max", is_functionals=True, part=1),
        ),
        ("word", FeatureName("", "word")),
    ],
)
def test_a_key_is_parsed_and_written_back(key, name):
    assert FeatureName.parse(key) == name
    assert str(name) == key


@given(
    name=st.builds(
        FeatureName,
        group=WORD.filter(lambda text: text not in ("functionals", "parts")),
        feature=WORD,
        functional=st.one_of(st.just(""), WORD),
        is_functionals=st.booleans(),
        part=st.integers(0, 99),
    )
)
def test_every_name_is_what_its_key_says(name):
    assert FeatureName.parse(str(name)) == name


@given(key=st.text())
def test_no_text_fails_to_parse(key):
    FeatureName.parse(key)


def test_functionals_and_rows_name_each_other():
    rows = FeatureName.parse("wavlm/layer-9")
    assert str(rows.functionals()) == "functionals/wavlm/layer-9"
    assert str(rows.functionals("max")) == "functionals/wavlm/layer-9@max"
    assert rows.functionals("max").rows == rows
    assert rows_group(functionals_group("wavlm")) == "wavlm"


def test_a_part_has_a_place_in_its_group():
    name = FeatureName("wavlm", "layer-9", is_functionals=True, part=3)
    assert name.group_key == "functionals/wavlm"
    assert name.place == "functionals/wavlm/parts/3"
    assert name.array == "layer-9"
