import pytest

from tokser.errors import MissingInputError, SettingsError
from tokser.yaml_file import read_yaml


def read(path):
    return read_yaml(path, kind="a list of cats", keys="names", example="pipelines/cats/all.yaml")


def test_keys_and_values_come_as_they_stand(tmp_path):
    file = tmp_path / "Kätzchen.yaml"
    file.write_text("names: [Mieze, Ötzi]\nages: {Mieze: 3}\n", encoding="utf-8")
    assert read(file) == {"names": ["Mieze", "Ötzi"], "ages": {"Mieze": 3}}


def test_a_file_that_is_not_there_sends_to_the_examples(tmp_path):
    with pytest.raises(MissingInputError) as caught:
        read(tmp_path / "none.yaml")
    assert str(caught.value) == (
        f"{tmp_path}/none.yaml: expected a list of cats, got nothing. "
        "Correct the path, or copy one from pipelines/cats."
    )


@pytest.mark.parametrize("content", [b"names: [", b"\xff\xfe"])
def test_what_is_no_yaml_is_refused(tmp_path, content):
    file = tmp_path / "broken.yaml"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"(?s)expected YAML in UTF-8.*Correct the named line"):
        read(file)


@pytest.mark.parametrize("content", ["", "- Mieze\n", "Mieze\n"])
def test_what_has_no_keys_is_refused(tmp_path, content):
    file = tmp_path / "flat.yaml"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"expected names.*See pipelines/cats/all\.yaml"):
        read(file)
