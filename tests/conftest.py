"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest

_BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real recordings and weights; tests that need it skip, loudly, without it."""
    folder = Path(os.environ.get("TOKSER_TEST_DATA", _BESIDE_THE_CHECKOUT))
    if not (folder / "data" / "emodb" / "wav").is_dir():
        pytest.skip(f"REAL DATA MISSING: set TOKSER_TEST_DATA ({folder} has no data/emodb/wav)")
    return folder
