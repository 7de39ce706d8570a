"""The notebook in cells runs from top to bottom on any store with several speech layers."""

import re
from pathlib import Path

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "examples" / "emotions.py"


def test_every_cell_runs(workshop, monkeypatch):
    monkeypatch.setenv("TOKSER_STORE", str(workshop / "workspace" / "stores" / "emodb.zarr"))
    monkeypatch.setenv("MPLBACKEND", "Agg")
    names: dict[str, object] = {"__name__": "notebook"}
    exec(compile(NOTEBOOK.read_text(encoding="utf-8"), str(NOTEBOOK), "exec"), names)
    assert list(names["uar"].index) == ["whisper-base/layer-3", "whisper-base/layer-6"]
    assert names["uar"].between(0, 1).all()
    spread = (names["spread"]("label"), names["spread"]("speaker"))
    assert all(table.between(0, 1).all() for table in spread)


def test_it_is_cut_into_cells_that_begin_with_what_they_show():
    cells = re.split(r"^# %%", NOTEBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert len(cells) >= 8
    assert sum(cell.startswith(" [markdown]") for cell in cells) >= 4
