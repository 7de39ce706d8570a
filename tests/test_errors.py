import pickle

import pytest

from tokser import errors


def test_a_message_says_where_expected_got_and_what_to_do():
    error = errors.CorpusError("/data", expected="EmoDB", got="cats", remedy="Look again.")
    assert str(error) == "/data: expected EmoDB, got cats. Look again."


def test_a_key_error_prints_its_message_not_its_repr():
    error = errors.QuarantinedError("utt", expected="it", got="reason", remedy="Mend it.")
    assert str(error).startswith("utt: expected")


@pytest.mark.parametrize(
    ("kind", "builtin", "code"),
    [
        (errors.SettingsError, ValueError, 2),
        (errors.MissingInputError, FileNotFoundError, 2),
        (errors.QuarantinedError, KeyError, 2),
        (errors.StoreMismatchError, ValueError, 2),
        (errors.RunError, RuntimeError, 1),
        (errors.CorruptStoreError, errors.StoreError, 1),
    ],
)
def test_an_error_is_also_the_builtin_a_caller_expects(kind, builtin, code):
    assert issubclass(kind, builtin)
    assert kind.exit_code == code


def test_long_lists_are_cut_and_counted():
    assert errors.list_some(["a", "b"]) == "a, b"
    assert errors.list_some(list("abcdefg")) == "a, b, c, d, e and 2 more"
    assert errors.list_some(list("abcde"), most=3, num_all=24) == "a, b, c and 21 more"
    assert errors.list_some(["a"], num_all=1) == "a"


def test_an_error_survives_the_way_out_of_a_worker():
    error = errors.CorruptStoreError("a.zarr", expected="b", got="c", remedy="Mend it.")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is errors.CorruptStoreError
    assert (str(again), again.remedy) == (str(error), "Mend it.")
