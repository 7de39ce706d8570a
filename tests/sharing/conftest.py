"""A hub of this machine, and a store and a model to share."""

import pytest
from huggingface_hub import constants

from tests.sharing.hub_server import HubServer


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub on loopback, with a cache of its own."""
    with HubServer() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
        monkeypatch.setenv("HF_TOKEN", "hf_" + "x" * 30)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield server


@pytest.fixture
def store(stores):
    """Two features in several shards, and what is pooled of them."""
    from tokser.functionals.pool import pool_features
    from tokser.store import open_store

    table = stores.manifest(20)
    plan = stores.plan(table, features={"layer-1": 16, "layer-2": 32}, shard_bytes=4_000)
    stores.complete(table, plan)
    opened = open_store(stores.path)
    pool_features(opened, list(opened.features), [])
    return open_store(stores.path)
