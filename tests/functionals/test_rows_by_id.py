import numpy as np
import pandas as pd
import pytest

from tokser.functionals.rows_by_id import RowsById

VALUES = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
IDS = pd.Index([f"u{i}" for i in range(9)], name="id")


def _side_by_side():
    table = pd.concat([pd.DataFrame(VALUES, index=IDS), pd.DataFrame(VALUES, index=IDS)], axis=1)
    table.columns = pd.RangeIndex(8)
    return table


TABLES = {
    "by row": pd.DataFrame(VALUES, index=IDS),
    "by column": pd.DataFrame(np.asfortranarray(VALUES), index=IDS),
    "of arrow": pd.DataFrame(dict(enumerate(VALUES.T.copy())), index=IDS),
    "side by side": _side_by_side(),
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_parts_are_those_of_pandas_in_the_same_order_of_memory(table):
    rows = RowsById(table)
    for ids in (["u7", "u0", "u3"], list(IDS), []):
        expected, found = table.loc[ids].to_numpy(), rows.of(ids)
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype
        if len(ids) == 3:
            assert found.flags.c_contiguous == expected.flags.c_contiguous


def test_an_unknown_id_is_refused():
    with pytest.raises(KeyError, match="u9"):
        RowsById(TABLES["by row"]).of(["u0", "u9"])
