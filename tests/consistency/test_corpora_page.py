"""docs/corpora.md lists what is declared."""

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).with_name("corpora_page.py")


def test_the_table_of_corpora_is_that_of_the_declarations():
    spec = importlib.util.spec_from_file_location("corpora_page", SCRIPT)
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    written = page.PAGE.read_text(encoding="utf-8")
    assert written == page.page_with(page.table()), "run `make corpora-page`"
