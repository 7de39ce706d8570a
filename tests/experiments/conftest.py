from pathlib import Path

import pandas as pd
import pytest
import torch


@pytest.fixture(scope="session")
def emodb() -> pd.DataFrame:
    """The table of all 535 recordings, as a store of EmoDB has it."""
    path = Path(__file__).resolve().parents[2] / "data_manifests" / "emodb.csv"
    table = pd.read_csv(path, comment="#", dtype=str).set_index("id")
    assert len(table) == 535
    return table.assign(session="", transcript=table["sentence"])


@pytest.fixture(autouse=True)
def one_thread():
    """Small matrices: threads that wait for each other on busy cores cost seconds."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
