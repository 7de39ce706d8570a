"""Names that become keys and paths."""

import pytest

from tokser.errors import InputError, SettingsError
from tokser.names import Name, is_safe_key

BAD = [
    *("", ".", "..", ".hidden", "a/b", "/absolute", "a\\b", "a@b", "a\nb", "a\x00b", "a\x7fb"),
    *("ids", "IDS", "manifest", "functionals", "versions", "zarr.json", "store.json"),
    *("utterances.h5", " a", "a ", "a.partial", "a\u200bb", "é" * 101, "\ud800"),
]


@pytest.mark.parametrize("text", BAD, ids=ascii)
def test_what_cannot_be_part_of_a_path_is_no_name(text):
    with pytest.raises(
        SettingsError, match=r"here: expected a name .*nothing was written"
    ) as caught:
        Name.of(text, "here")
    assert isinstance(caught.value, InputError)
    str(caught.value).encode()


@pytest.mark.parametrize(
    "text", ["whisper-base", "lr=0.001,batch=4", "모델", "a b", "wav2vec2+ft", "x" * 200, "é" * 100]
)
def test_other_names_stay_as_they_are(text):
    name = Name.of(text, "here")
    assert (name, type(name)) == (text, Name)


@pytest.mark.parametrize("key", ["a", "a/b", "functionals/a/layer-3@max", "a b/c"])
def test_keys_inside_the_store(key):
    assert is_safe_key(key)


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "../a", "a/../b", "./a", "a\\b", "a\nb"])
def test_keys_that_would_leave_it(key):
    assert not is_safe_key(key)
