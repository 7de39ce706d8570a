import pytest

from tokser.config import GridSettings
from tokser.errors import SettingsError


def test_the_named_grids_are_those_of_table_2():
    baseline = GridSettings(**GridSettings.from_text("baseline"))
    assert baseline.batch_sizes == tuple(2**power for power in range(2, 11))
    assert baseline.learning_rates == (1e-3, 5e-3)
    proposed = GridSettings(**GridSettings.from_text("proposed"))
    assert proposed.batch_sizes == tuple(2**power for power in range(2, 6))
    assert proposed.learning_rates == (1e-3, 1e-2)


def test_without_the_option_there_is_one_point():
    assert GridSettings.from_text(None) == {"batch_sizes": (32,), "learning_rates": (1e-3,)}


def test_keys_take_all_values_up_to_the_next_key():
    assert GridSettings.from_text("batch_size=4,8,lr=1e-3,5e-3,epochs=12") == {
        "batch_sizes": (4, 8), "learning_rates": (1e-3, 5e-3), "epochs": 12,
    }  # fmt: skip
    found = GridSettings(**GridSettings.from_text("hidden=64,32,patience=5,factor=0.5"))
    assert (found.hidden, found.plateau_patience, found.plateau_factor) == ((64, 32), 5, 0.5)
    assert found.batch_sizes == (32,)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("batchsize=4", r"unknown key 'batchsize' \(nearest known key: 'batch_size'\)"),
        ("rate=1", "unknown key 'rate'"),
        ("lr=fast", "got lr = fast. Write numbers"),
        ("batch_size=4.5", "Write numbers"),
        ("lr=", "Write numbers"),
        ("4,8", "got '4'. Begin with a key"),
        ("lr=1,lr=2", "lr twice"),
        ("epochs=1,2", "2 values of epochs"),
        ("basline", "Begin with a key"),
    ],
)
def test_a_grid_that_cannot_be_read_is_named(text, told):
    with pytest.raises(SettingsError, match=told):
        GridSettings.from_text(text)
