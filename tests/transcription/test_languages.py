import pytest

from tokser.errors import SettingsError
from tokser.transcription.languages import require_language, whisper_language


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("de", "de"),
        ("German", "de"),
        (" EN-us ", "en"),
        ("pt_BR", "pt"),
        ("", None),
        ("Klingon", None),
    ],
)
def test_names_and_codes_become_whisper_s(name, code):
    assert whisper_language(name) == code


def test_a_wrong_name_is_refused_with_the_nearest():
    with pytest.raises(SettingsError, match=r"--language germna: .*Did you mean 'german'"):
        require_language("germna")
    with pytest.raises(SettingsError, match="Leave it out"):
        require_language("zzzzzz")
