import pytest
from rich.console import Console


@pytest.fixture
def text_of():
    def text(table, width=80) -> str:
        console = Console(width=width)
        with console.capture() as capture:
            console.print(table)
        return capture.get()

    return text
