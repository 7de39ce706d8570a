"""The file of predictions: resumed, done, refused; what lies beside it."""

import json

import numpy as np
import pandas as pd
import pytest

from tokser.errors import InputError, RunError, SettingsError
from tokser.prediction.output import FORMATS, Output, require_format
from tokser.provenance import Stamp

TABLE = pd.DataFrame(
    {
        "id": ["a", "007"],
        "start_s": [0.0, np.nan],
        "end_s": [1.25, np.nan],
        "label": ["joy", "anger"],
        "probability_joy": [0.75, 1 / 3],
    }
)


def output(path, **inputs):
    return Output(path, Stamp("predict", {}, {"model": "m1", **inputs}))


@pytest.mark.parametrize("ending", list(FORMATS))
def test_what_is_written_is_read_back(tmp_path, ending):
    made = output(tmp_path / f"p{ending}")
    assert not made.is_done
    with made.begun():
        made.finish(TABLE, {"c": "no audio"})
    made.remove_parts()
    assert made.is_done
    pd.testing.assert_frame_equal(made.table(), TABLE)
    assert made.reasons() == {"c": "no audio"}
    assert pd.read_csv(tmp_path / "p.quarantined.csv").to_dict("records") == [
        {"id": "c", "reason": "no audio"}
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        [f"p{ending}", f"p{ending}.provenance.json", "p.quarantined.csv"]
    )


def test_json_lines_have_null_for_unknown_numbers(tmp_path):
    made = output(tmp_path / "p.jsonl")
    with made.begun():
        made.finish(TABLE, {})
    rows = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert rows[1] == {
        "id": "007",
        "start_s": None,
        "end_s": None,
        "label": "anger",
        "probability_joy": 1 / 3,
    }


def test_finished_chunks_are_found_again_damaged_ones_are_not(tmp_path):
    made = output(tmp_path / "p.csv")
    with made.begun():
        made.put_part(0, TABLE)
        made.put_part(1, TABLE)
    again = output(tmp_path / "p.csv")
    with again.begun():
        pd.testing.assert_frame_equal(again.part(0), TABLE)
        (tmp_path / "p.csv.parts" / "part-000001.parquet").write_bytes(b"damaged")
        assert again.part(1) is None
        assert again.part(2) is None


def test_chunks_of_another_call_are_refused(tmp_path):
    made = output(tmp_path / "p.csv")
    with made.begun():
        made.put_part(0, TABLE)
    with (
        pytest.raises(SettingsError, match="model m1, now m2"),
        output(tmp_path / "p.csv", model="m2").begun(),
    ):
        pass


def test_a_file_of_another_call_or_program_is_never_replaced(tmp_path):
    out = tmp_path / "p.csv"
    with output(out).begun():
        output(out).finish(TABLE, {})
    with pytest.raises(SettingsError, match=r"predictions made otherwise \(model m1, now m2\)"):
        _ = output(out, model="m2").is_done
    out.write_text("edited")
    with pytest.raises(SettingsError, match="changed since it was written"):
        _ = output(out).is_done
    (tmp_path / "other.csv").write_text("mine")
    with pytest.raises(SettingsError, match=r"a file without other\.csv\.provenance\.json"):
        _ = output(tmp_path / "other.csv").is_done
    assert (tmp_path / "other.csv").read_text() == "mine"
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(SettingsError, match="got a folder"):
        _ = output(tmp_path / "folder.csv").is_done


def test_a_folder_that_cannot_be_written_to_is_refused_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match="a folder that can be written to"),
        output(tmp_path / "file" / "p.csv").begun(),
    ):
        pass


def test_only_one_process_at_a_time(tmp_path):
    one, other = output(tmp_path / "p.csv"), output(tmp_path / "p.csv")
    with one.begun(), pytest.raises(RunError, match="has its lock"), other.begun():
        pass


def test_another_ending_is_refused():
    from pathlib import Path

    require_format(Path("a.CSV"))
    with pytest.raises(SettingsError, match=r"ends in \.csv, \.parquet, \.jsonl"):
        require_format(Path("a.xlsx"))
