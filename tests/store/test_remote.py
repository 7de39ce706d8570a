"""Stores at URLs: against an S3 server of this machine, and one that drops connections."""

import base64
import random
import selectors
import socket
import sys
import threading
import time
from contextlib import ExitStack, closing, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from torch.utils.data import DataLoader

from tokser.errors import (
    CorruptStoreError,
    MissingInputError,
    MissingPackageError,
    QuarantinedError,
    RunError,
    SettingsError,
    StoreIncompleteError,
    StoreMismatchError,
)
from tokser.store import FeatureSpec, GroupPlan, StoreWriter, open_store, verify_store
from tokser.store.address import backend_at
from tokser.store.remote_objects import TIMEOUT_VARIABLE, RemoteObjects

pytestmark = pytest.mark.slow

FEATURE = "whisper-tiny/layer-2"
uncompressed = pytest.mark.parametrize("remote_stores", ["none"], indirect=True)


@pytest.fixture(params=["none", "zstd"])
def remote_stores(request, remote_stores):
    """Override the fixture of all tests by one for each way that rows are read."""
    remote_stores.compression = request.param
    return remote_stores


@pytest.fixture
def local_stores(remote_stores, tmp_path):
    """Stores of the same activations on this machine's disk."""
    local = type(remote_stores).__base__
    return local(tmp_path, compression=remote_stores.compression)


def large(stores, table):
    """A plan whose utterances are parts of their shards, so that ranges of bytes are read."""
    return stores.plan(table, features={"layer-2": 512}, lengths=[1_000, 1_000, 3_000])


def shard_key(store, shard=0):
    return store.backend.shard_key(FEATURE, shard, store[FEATURE].spec)


def assert_same_values(store, stores, plan):
    for feature in plan.features:
        layer = store[f"{plan.name}/{feature}"]
        for position, utterance in enumerate(store.ids):
            np.testing.assert_array_equal(layer[utterance], stores.rows(plan, feature, position))


# What is written


def test_the_objects_are_the_files_of_a_local_store_bit_for_bit(remote_stores, local_stores):
    table = remote_stores.manifest(20)
    plan = remote_stores.plan(table, features={"layer-0": 4, "layer-2": 8}, shard_bytes=2_000)
    remote_stores.complete(table, plan)
    local_stores.complete(table, plan)
    bucket = RemoteObjects(remote_stores.path)
    files = [path for path in local_stores.path.rglob("*") if path.is_file()]
    keys = [path.relative_to(local_stores.path).as_posix() for path in files]
    assert bucket.get_many(keys) == [path.read_bytes() for path in files]
    listed = [entry["path"] for page in bucket.bucket.list() for entry in page]
    assert sorted(listed) == sorted(keys)


@uncompressed
def test_a_stopped_run_goes_on_with_the_missing_shards(remote_stores):
    table = remote_stores.manifest(20)
    plan = remote_stores.plan(table, shard_bytes=1_000)
    with remote_stores.writer(table) as writer:
        remote_stores.fill(writer.plan_group(plan), plan, only_shards={3, 1})
    layer = open_store(remote_stores.path)[FEATURE]
    with pytest.raises(StoreIncompleteError, match="again: it resumes"):
        layer["utt019"]
    with remote_stores.writer(table) as writer:
        group = writer.plan_group(plan)
        claimed = [claim.shard for claim in group.claims() if not remote_stores.fill(group, plan)]
    assert not {1, 3} & set(claimed)
    np.testing.assert_array_equal(layer["utt019"], remote_stores.rows(plan, "layer-2", 19))
    assert_same_values(open_store(remote_stores.path), remote_stores, plan)


@uncompressed
def test_another_model_or_corpus_is_refused(remote_stores):
    table = remote_stores.manifest()
    remote_stores.complete(table, remote_stores.plan(table, weights_sha256="aaa"))
    with (
        remote_stores.writer(table) as writer,
        pytest.raises(StoreMismatchError, match=r"weights_sha256 aaa.*got weights_sha256 bbb"),
    ):
        writer.plan_group(remote_stores.plan(table, weights_sha256="bbb"))
    with (
        pytest.raises(StoreMismatchError, match="manifest_digest"),
        remote_stores.writer(remote_stores.manifest(9)),
    ):
        pass


def test_a_shard_of_many_parts_comes_back_as_it_was(remote_stores):
    table = remote_stores.manifest(2)
    plan = remote_stores.plan(table, features={"layer-2": 512}, lengths=[20_000, 5])
    store = remote_stores.complete(table, plan)
    assert store.backend.objects.size(shard_key(store)) > 16 * 2**20
    assert_same_values(store, remote_stores, plan)
    assert verify_store(store).is_whole


# What is read


def test_batches_are_those_of_a_local_store(remote_stores, local_stores):
    table = remote_stores.manifest(24)
    plan = remote_stores.plan(table, shard_bytes=2_000)
    remote = remote_stores.complete(table, plan)[FEATURE]
    local = local_stores.complete(table, plan)[FEATURE]
    ids = random.Random(0).sample(list(table.index), 20)
    for method in ("batch", "ragged"):
        found, wanted = getattr(remote, method)(ids), getattr(local, method)(ids)
        np.testing.assert_array_equal(found.rows, wanted.rows)
        np.testing.assert_array_equal(found.lengths, wanted.lengths)
    assert not remote[ids[0]].flags.writeable


@uncompressed
def test_quarantine_lookups_and_their_reasons(remote_stores):
    table = remote_stores.manifest(3)
    keys = np.array([2, 3, 9], dtype=np.int32)
    values = np.arange(12, dtype=np.float16).reshape(3, 4)
    ids = [np.array([2, 9, 9, 3], dtype=np.int32), np.array([2, 3], dtype=np.int32), None]
    plan = GroupPlan(
        name="bert",
        kind="text",
        features={"token_ids": FeatureSpec(dim=None, dtype="int32")},
        lengths=np.array([4, 2, 0]),
        provenance={},
    )
    with remote_stores.writer(table) as writer:
        group = writer.plan_group(plan)
        group.commit(0, {"token_ids": ids}, {"utt002": "empty transcript"})
        group.put_lookup("word", ids="token_ids", keys=keys, table=values)
    store = open_store(remote_stores.path, check=True)
    np.testing.assert_array_equal(store["bert/word"]["utt000"], values[[0, 2, 2, 1]])
    assert store.quarantined == {"utt002": "empty transcript"}
    with pytest.raises(QuarantinedError, match="empty transcript"):
        store["bert/word"]["utt002"]
    assert verify_store(store).is_whole


@pytest.mark.parametrize("damage", ["delete", "truncate"])
@uncompressed
def test_an_object_deleted_or_cut_short_is_an_error_not_zeros(remote_stores, damage):
    store = remote_stores.complete()
    objects, key = store.backend.objects, shard_key(store)
    if damage == "delete":
        objects.delete(key)
    else:
        objects.put(key, [objects.get(key)[:-100]])
    with pytest.raises(CorruptStoreError, match=r"shard 0: expected \d+ bytes"):
        store[FEATURE]["utt000"]
    (found,) = verify_store(open_store(store.path)).damages
    assert list(found.utterances) == store.ids
    assert "the journal says" in found.reason


@uncompressed
def test_a_changed_object_is_found_by_verify_and_reads(remote_stores):
    store = remote_stores.complete()
    objects, key = store.backend.objects, shard_key(store)
    data = bytearray(objects.get(key))
    data[len(data) // 3] ^= 8
    objects.put(key, [bytes(data)])
    (damage,) = verify_store(open_store(store.path)).damages
    assert damage.shard == 0
    assert damage.utterances
    with pytest.raises(CorruptStoreError):
        open_store(store.path, check=True)[FEATURE][damage.utterances[0]]


def test_deleting_a_folder_leaves_its_neighbours(s3_bucket):
    objects = RemoteObjects(f"{s3_bucket}/toy.zarr")
    for key in ("a/b", "a/c/d", "ab/c", "e"):
        objects.put(key, [key.encode(), b"!"])
    objects.delete("a")
    objects.delete("e")
    objects.delete("nothing")
    assert objects.get_many(["a/b", "a/c/d", "ab/c", "e"]) == [None, None, b"ab/c!", None]


# What is refused


def test_nothing_and_something_else_are_no_store(s3_bucket):
    with pytest.raises(MissingInputError, match="expected a store, got nothing"):
        open_store(f"{s3_bucket}/none.zarr")
    node = b'{"zarr_format": 3, "node_type": "group", "attributes": {}}'
    RemoteObjects(f"{s3_bucket}/other.zarr").put("zarr.json", [node])
    with pytest.raises(StoreMismatchError, match="without tokser attributes"):
        open_store(f"{s3_bucket}/other.zarr")


@uncompressed
def test_a_missing_bucket_is_named_before_a_write(remote_stores):
    remote_stores.bucket = "s3://no-such-bucket"
    with (
        pytest.raises(RunError, match=r"s3://no-such-bucket.*NoSuchBucket.*Make the bucket first"),
        remote_stores.writer(remote_stores.manifest()),
    ):
        pass


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("s3://bucket/feats.h5", "HDF5 stores are local folders"),
        ("ftp://host/feats.zarr", r"a URL such as s3://bucket/feats\.zarr, got .*ftp://host"),
        (Path("s3://bucket/feats.zarr"), r"two slashes, s3://bucket/feats\.zarr"),
        ("az://container/feats.zarr", "AZURE_STORAGE_ACCOUNT_NAME"),
    ],
)
def test_addresses_that_cannot_be_used(address, message, monkeypatch):
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(SettingsError, match=message):
        open_store(address)


def test_every_service_is_reached_by_the_same_code(monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "lab")
    kinds = {
        "s3://bucket/feats.zarr": "S3Store",
        "gs://bucket/feats.zarr": "GCSStore",
        "az://container/feats.zarr": "AzureStore",
        "https://lab.example.org/feats.zarr": "HTTPStore",
    }
    for address, kind in kinds.items():
        assert type(backend_at(address).objects.bucket).__name__ == kind


def test_an_http_endpoint_has_to_be_allowed(s3_bucket, monkeypatch):
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    monkeypatch.setenv(TIMEOUT_VARIABLE, "0.5")
    with pytest.raises(RunError, match="set AWS_ALLOW_HTTP=true"):
        open_store(f"{s3_bucket}/toy.zarr")


@pytest.mark.parametrize("text", ["soon", "0", "-1", "inf", "nan"])
def test_a_patience_that_is_no_duration_is_refused(s3_bucket, monkeypatch, text):
    monkeypatch.setenv(TIMEOUT_VARIABLE, text)
    with pytest.raises(SettingsError, match=rf"{TIMEOUT_VARIABLE}: .* got '{text}'"):
        open_store(f"{s3_bucket}/toy.zarr")


def test_without_obstore_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(MissingPackageError, match=r"obstore.*pip install 'tokser\[cloud\]'"):
        open_store("s3://bucket/feats.zarr")


# Connections that drop


class Proxy:
    """A way to a server that breaks off: some connections, all of them, or none.

    Attributes:
        share: Of the connections that are cut.
        most: Bytes that such a connection carries, at most, before it is cut.
        mute: Take connections, and never answer.
        num_cut: Connections that were cut.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._random = random.Random(0)
        self.share, self.most, self.mute, self.num_cut = 0.0, 1, False, 0
        self.port, self._listener, self._silent = 0, None, []
        self.open()

    def open(self) -> None:
        """Take connections, at the same port as before."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def close(self) -> None:
        """Refuse every connection from now on."""
        for end in self._silent:
            end.close()
        if self._listener.fileno() >= 0:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = listener.accept()
                if self.mute:
                    self._silent.append(client)
                    continue
                cut = self._random.random() < self.share
                budget = self._random.randrange(self.most) if cut else sys.maxsize
                threading.Thread(target=self._carry, args=[client, budget], daemon=True).start()

    def _carry(self, client: socket.socket, budget: int) -> None:
        with (
            client,
            socket.create_connection(("127.0.0.1", self._target)) as server,
            suppress(ConnectionError),
            ExitStack() as watch,
        ):
            other = {client: server, server: client}
            ready = watch.enter_context(selectors.DefaultSelector())  # numbers beyond 1,024, too
            for end in other:
                ready.register(end, selectors.EVENT_READ)
            while True:
                for source in [key.fileobj for key, _ in ready.select()]:
                    piece = source.recv(65_536)
                    if not piece:
                        return
                    other[source].sendall(piece[:budget])
                    budget -= len(piece)
                    if budget < 0:
                        self.num_cut += 1
                        return


@pytest.fixture
def proxy(s3_server, s3_bucket, monkeypatch):
    """A proxy in front of the S3 server, which the environment names."""
    between = Proxy(int(s3_server.rpartition(":")[2]))
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{between.port}")
    with closing(between):
        yield between


@uncompressed
def test_writing_and_reading_get_over_dropped_connections(remote_stores, proxy):
    table = remote_stores.manifest(12)
    plan = remote_stores.plan(table, features={"layer-2": 512}, shard_bytes=50_000)
    proxy.share, proxy.most = 1.0, 100_000
    store = remote_stores.complete(table, plan)
    while_writing = proxy.num_cut
    assert while_writing >= 3
    assert_same_values(store, remote_stores, plan)
    assert verify_store(store).is_whole
    assert proxy.num_cut >= while_writing + 3


@uncompressed
def test_parts_of_a_shard_that_break_off_are_sent_again(remote_stores, proxy):
    table = remote_stores.manifest(2)
    plan = remote_stores.plan(table, features={"layer-2": 512}, lengths=[20_000, 5])
    proxy.share, proxy.most = 0.5, 4 * 2**20
    with remote_stores.writer(table) as writer:
        group = writer.plan_group(plan)
        remote_stores.fill(group, plan)
    assert proxy.num_cut
    proxy.share = 0.0
    assert_same_values(open_store(remote_stores.path), remote_stores, plan)


@uncompressed
@pytest.mark.parametrize("how", ["refuses", "is silent"])
def test_a_lost_server_is_an_error_and_the_run_resumes(remote_stores, proxy, monkeypatch, how):
    monkeypatch.setenv(TIMEOUT_VARIABLE, "0.5")
    table = remote_stores.manifest(12)
    plan = remote_stores.plan(table, shard_bytes=1_000)
    with remote_stores.writer(table) as writer:
        group = writer.plan_group(plan)
        remote_stores.fill(group, plan, only_shards={0, 1})
        store = open_store(remote_stores.path)
        committed = store[FEATURE]["utt000"]
        if how == "refuses":
            proxy.close()
        else:
            proxy.mute = True
        calls = [
            partial(group.commit, 2, {"layer-2": _shard_rows(remote_stores, group, plan, 2)}, {}),
            lambda: store[FEATURE]["utt000"],
            lambda: verify_store(store),
            lambda: open_store(remote_stores.path),
        ]
        for call in calls:
            start = time.monotonic()
            with pytest.raises(RunError, match=r"expected an answer .*committed is intact"):
                call()
            assert time.monotonic() - start < 8
    if how == "refuses":
        proxy.open()
    proxy.mute = False
    np.testing.assert_array_equal(store[FEATURE]["utt000"], committed)
    with remote_stores.writer(table) as writer:
        group = writer.plan_group(plan)
        assert not {0, 1} & set(group.pending())
        remote_stores.fill(group, plan)
    assert_same_values(open_store(remote_stores.path), remote_stores, plan)


def _shard_rows(stores, group, plan, shard):
    first, after = group.layout.shard_utterances(shard)
    return [stores.rows(plan, "layer-2", position) for position in range(first, after)]


@uncompressed
def test_a_server_that_leaves_within_a_read_is_no_damage(remote_stores, proxy, monkeypatch):
    """Rows are read through zarr-python, which must not take silence for a missing chunk."""
    monkeypatch.setenv(TIMEOUT_VARIABLE, "0.5")
    store = remote_stores.complete()
    layer = store[FEATURE]
    layer["utt000"]
    spec, layout = layer.spec, layer.layout
    proxy.close()
    with pytest.raises(RunError, match="expected an answer"):
        store.backend.read_rows(FEATURE, 0, 1, spec, layout)
    proxy.open()
    store.backend.read_rows(FEATURE, 0, 1, spec, layout)


# Web servers


class Ranges(SimpleHTTPRequestHandler):
    """Answers requests for a part of a file, as web servers do."""

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        wanted = self.headers.get("Range")
        if not wanted or not path.is_file():
            return super().do_GET()
        content = path.read_bytes()
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start = int(first) if first else len(content) - int(last)
        after = min(int(last) + 1, len(content)) if first and last else len(content)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{after - 1}/{len(content)}")
        self.send_header("Content-Length", str(after - start))
        self.send_header("Last-Modified", self.date_time_string(path.stat().st_mtime))
        self.end_headers()
        self.wfile.write(content[start:after])
        return None

    def log_message(self, *arguments: object) -> None:
        pass


class Quiet(ThreadingHTTPServer):
    """Says nothing of clients that leave early."""

    def handle_error(self, request: object, client_address: object) -> None:
        pass


class Guarded(Ranges):
    """Answers user `ann` with password `x y` alone."""

    def do_GET(self) -> None:
        if self._is_ann():
            super().do_GET()

    def do_HEAD(self) -> None:
        if self._is_ann():
            super().do_HEAD()

    def _is_ann(self) -> bool:
        wanted = "Basic " + base64.b64encode(b"ann:x y").decode()
        if self.headers.get("Authorization") == wanted:
            return True
        self.send_error(401)
        return False


class Plain(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Start a web server for the folder of stores; returns the URL of the store."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    servers = []

    def start(handler) -> str:
        server = Quiet(("127.0.0.1", 0), partial(handler, directory=tmp_path))
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/toy.zarr"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@uncompressed
def test_a_store_on_a_web_server_is_read_and_verified(local_stores, serve):
    table = local_stores.manifest(3)
    plan = large(local_stores, table)
    local_stores.complete(table, plan)
    store = open_store(serve(Ranges), check=True)
    assert_same_values(store, local_stores, plan)
    assert verify_store(store).is_whole
    (local_stores.path / shard_key(store)).unlink()
    (damage,) = verify_store(open_store(store.path)).damages
    assert damage.utterances == ("utt000", "utt001")


@uncompressed
def test_a_server_without_ranges_is_no_damage(local_stores, serve):
    table = local_stores.manifest(3)
    local_stores.complete(table, large(local_stores, table))
    store = open_store(serve(Plain))
    for call in (lambda: store[FEATURE]["utt000"], lambda: verify_store(store)):
        with pytest.raises(RunError, match=r"expected an answer .*answers range requests: nginx"):
            call()


@uncompressed
@pytest.mark.parametrize("way", ["variable", "netrc", "address"])
def test_a_web_server_gets_the_credentials(local_stores, serve, monkeypatch, tmp_path, way):
    table = local_stores.manifest(3)
    local_stores.complete(table)
    address = serve(Guarded)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with pytest.raises(RunError, match="expected an answer"):
        open_store(address)
    if way == "variable":
        header = "Basic " + base64.b64encode(b"ann:x y").decode()
        monkeypatch.setenv("TOKSER_HTTP_AUTHORIZATION", header)
    elif way == "netrc":
        (tmp_path / "netrc").write_text('machine 127.0.0.1 login ann password "x y"')
    else:
        address = address.replace("://", "://ann:x%20y@")
    store = open_store(address)
    assert verify_store(store).is_whole
    assert len(store.ids) == 3


def test_a_damaged_netrc_file_is_an_error(monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with pytest.raises(SettingsError, match="expected a netrc file"):
        open_store("http://127.0.0.1:9/x.zarr")


@uncompressed
def test_nothing_is_written_to_a_web_server(local_stores, serve):
    table = local_stores.manifest()
    local_stores.complete(table)
    address = serve(Ranges)
    plan = local_stores.plan(table, name="wavlm")
    with (
        StoreWriter.reopen(open_store(address)) as writer,
        pytest.raises(SettingsError, match="a web address, which can only be read"),
    ):
        writer.plan_group(plan)
    with pytest.raises(SettingsError, match="a web address, which can only be read"):
        backend_at(address).objects.delete("whisper-tiny")
    assert open_store(address).groups == ("whisper-tiny",)


# Workers


def load(layer, method):
    """Read a layer through a DataLoader whose worker is started by `method`."""
    loader = DataLoader(
        layer,
        batch_size=None,
        sampler=layer.ids,
        collate_fn=np.array,
        num_workers=1,
        multiprocessing_context=method,
        timeout=60,
    )
    return list(loader)


@uncompressed
def test_workers_that_are_spawned_read_a_remote_store(remote_stores):
    layer = remote_stores.complete()[FEATURE]
    for found, utterance in zip(load(layer, "spawn"), layer.ids, strict=True):
        np.testing.assert_array_equal(found, layer[utterance])


@uncompressed
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_workers_that_are_forked_say_what_to_do_rather_than_hang(remote_stores):
    layer = remote_stores.complete()[FEATURE]
    assert len(layer.ids) == 12  # which is read here, so that threads are running
    with pytest.raises(RuntimeError, match="multiprocessing_context='spawn'"):
        load(layer, "fork")
