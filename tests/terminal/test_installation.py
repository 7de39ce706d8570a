import pytest

from tokser.stages.doctor import Finding
from tokser.terminal.installation import findings_table


@pytest.mark.parametrize("width", [60, 80])
def test_long_addresses_are_broken_and_never_cut(text_of, width):
    path = "/data/corpora/" + 20 * "long" + "/emodb"
    text = text_of(findings_table([Finding("emodb", "note", path, path)]), width)
    assert "…" not in text
    cells = [line.split("│") for line in text.splitlines() if "│" in line]
    assert "".join(cell[3].strip() for cell in cells) == path
