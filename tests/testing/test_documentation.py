"""The example of docs/testing.md, and the names that the page lists."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tokser import testing

PAGE = Path(__file__).resolve().parents[2] / "docs" / "testing.md"


def test_the_example_of_the_page_passes(tmp_path):
    pytest.importorskip("espeakng_loader")
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "test_plugin.py").write_text(example, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "test_plugin.py"],
        cwd=tmp_path,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 passed" in result.stdout


@pytest.mark.parametrize("name", testing.__all__)
def test_every_public_name_is_there_and_on_the_page(name):
    assert callable(getattr(testing, name))
    assert name in PAGE.read_text(encoding="utf-8")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"tokser\.testing.*no attribute 'write_ravdess'"):
        testing.write_ravdess  # noqa: B018
