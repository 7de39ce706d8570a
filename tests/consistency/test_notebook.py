"""The notebooks run from top to bottom: one in cells, and one of Jupyter in a kernel."""

import os
import re
from pathlib import Path

import nbclient
import nbformat
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
NOTEBOOK = EXAMPLES / "emotions.py"
JUPYTER = EXAMPLES / "first-model.ipynb"


@pytest.fixture(scope="module")
def executed(workshop, tmp_path_factory) -> nbformat.NotebookNode:
    """The notebook of Jupyter after its cells ran, on a smaller corpus than the demo's."""
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "demo" / "encoders").mkdir(parents=True)
    (folder / "demo" / "corpora").symlink_to(workshop / "corpora")
    encoder = workshop / "openai" / "whisper-base"
    (folder / "demo" / "encoders" / "tiny-whisper").symlink_to(encoder)
    notebook = nbformat.read(JUPYTER, as_version=4)
    # What a kernel reads and writes of its user's settings stays in this folder.
    settings = {"IPYTHONDIR": str(folder / ".ipython"), "OMP_NUM_THREADS": "1"}
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute(env=os.environ | settings)
    return notebook


def outputs_of(notebook: nbformat.NotebookNode, beginning: str) -> list[nbformat.NotebookNode]:
    """Return the outputs of the first cell of code that begins so."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return next(cell.outputs for cell in cells if cell.source.startswith(beginning))


def test_the_notebook_of_jupyter_runs_and_shows_tables(executed):
    shown = {
        "store": "tiny-whisper/layer-3",
        "results": "LEAKS SPEAKERS",
        "model = ": "score to expect",
        "timeline": "data:image/svg+xml",
    }
    for beginning, text in shown.items():
        outputs = outputs_of(executed, beginning)
        (result,) = (one for one in outputs if one.output_type == "execute_result")
        assert text in result.data["text/html"], beginning


def test_the_notebook_of_jupyter_has_no_noise(executed):
    outputs = [o for cell in executed.cells if cell.cell_type == "code" for o in cell.outputs]
    streams = [o for o in outputs if o.output_type == "stream"]
    assert [o.text for o in streams if o.name == "stderr"] == []
    assert len(streams) <= 6


def test_the_notebook_of_jupyter_is_kept_without_outputs():
    notebook = nbformat.read(JUPYTER, as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.outputs for cell in notebook.cells if cell.cell_type == "code")


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
