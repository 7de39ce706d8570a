import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tokser.config import ReportSettings
from tokser.errors import InputError, MissingInputError
from tokser.stages.report import report

TABLES = (
    *("emodb-scores", "emodb-confusion-speaker", "emodb-table1", "emodb-table3", "emodb-audit"),
    "emodb-errors",
    "evaluations",
)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "emodb"
    folder.mkdir()
    key = {"features": "whisper-base/layer-3", "protocol": "speaker", "classifier": "mlp"}
    score = dict.fromkeys(("uar", "uar_chance", "accuracy", "macro_f1", "weighted_f1"), 0.5)
    score |= {"n_test": 4, "num_folds": 1, "num_candidates": 1, "leaks": "", "seed": 0}
    row = {"dataset": "emodb"} | key | score | {"seeds": "0", "setup": ""}
    pd.DataFrame([row]).to_csv(folder / "summary.csv", index=False)
    (folder / "comparisons.csv").write_text("dataset,protocol,classifier,setup\n")
    pairs = {"label": ["anger", "fear"] * 2, "prediction": ["anger"] * 4, "fold": 0}
    pd.DataFrame(pairs).assign(**key, id=list("abcd")).to_parquet(folder / "predictions.parquet")
    cells = {"label": ["anger", "fear"], "prediction": "anger", "count": 2, "setup": ""}
    cells = pd.DataFrame(cells).assign(dataset="emodb", **key)
    cells.to_csv(folder / "confusion.csv", index=False)
    (folder / "audit.json").write_text('{"speaker": {"leaks": [], "stamp": ""}}')
    (folder / "ledger.jsonl").write_text(json.dumps(key) + "\n")
    (folder / "provenance.json").write_text('{"stage": "classify"}')
    return folder


def test_the_page_is_written_where_asked(results, tmp_path, capsys):
    out = tmp_path / "new" / "page.html"
    assert report(ReportSettings(results=(results,), out=out, title="Scores")) == [out]
    assert "<title>Scores</title>" in out.read_text(encoding="utf-8")
    assert str(out) in capsys.readouterr().err.replace("\n", "")
    assert [path.name for path in out.parent.iterdir()] == ["page.html"]


def test_a_folder_as_page_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"expected the path of a file, got a folder.*--out"):
        report(ReportSettings(results=(tmp_path / "none",), out=tmp_path))


def test_tables_and_figures_are_files_of_a_folder(results, tmp_path):
    out = tmp_path / "paper"
    settings = ReportSettings(results=(results,), formats=("latex", "csv", "png", "html"), out=out)
    paths = report(settings)
    assert sorted(path.name for path in paths) == sorted(path.name for path in out.iterdir())
    assert {path.name for path in paths} == {
        "report.html", "emodb-confusion-speaker.png",
        *(f"{name}.{suffix}" for name in TABLES for suffix in ("tex", "csv")),
    }  # fmt: skip
    assert paths[0] == out / "report.html"
    before = {path: path.read_bytes() for path in paths}
    report(settings)
    assert {path: path.read_bytes() for path in paths} == before


def test_a_file_as_folder_of_tables_is_refused(results, tmp_path):
    out = tmp_path / "tables.tex"
    out.write_text("mine")
    with pytest.raises(InputError, match=r"expected the path of a folder.*--out .*tables`"):
        report(ReportSettings(results=(results,), formats=("latex",), out=out))
    assert out.read_text() == "mine"


def test_nothing_is_written_where_an_input_is_missing(results, tmp_path):
    out = tmp_path / "page.html"
    with pytest.raises(MissingInputError, match="nowhere does not exist"):
        report(ReportSettings(results=(results, tmp_path / "nowhere"), out=out))
    assert not out.exists()


@pytest.mark.slow
def test_importing_the_stage_leaves_matplotlib_out():
    code = "import sys, tokser.stages.report; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
