"""Fixtures that every test may use."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import pandas as pd
import pytest
import soundfile

_BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared"


_TESTS = Path(__file__).parent
_MARKERS = {
    "faults": (
        "faults",
        "store/test_living.py",
        "store/test_stateful.py",
        "regressions/test_fuzz.py",
    ),
    "docs": ("consistency", "testing/test_documentation.py"),
    "browser": (
        *("report/test_browser.py", "report/test_map_browser.py"),
        *("report/test_doubtful_browser.py", "consistency/test_site_browser.py"),
    ),
    "slow": (
        *("stages", "regressions", "testing", "corpora/download", "experiments/heads", "sharing"),
        *("corpora/test_completeness.py", "encoders/test_conformance.py"),
        *("encoders/test_published.py", "extraction/test_functionals_only.py"),
        *("encoders/test_generic.py", "encoders/test_opensmile.py"),
        "extraction/test_utterance_level.py",
        *("extraction/test_recompute.py", "report/test_catalogue.py", "report/test_parts.py"),
        *("report/test_scores.py", "report/test_sections.py", "store/test_convert.py"),
        *("store/test_export.py", "test_scheduling.py"),
    ),
}
"""What is marked by where it is."""


def pytest_collection_modifyitems(items):
    for item in items:
        place = item.path.relative_to(_TESTS).as_posix()
        for marker, folders in _MARKERS.items():
            if place.startswith(folders):
                item.add_marker(marker)


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """Only a loss of power shows what fsync is for, and it is most of a small write's time."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_reaches_child_processes():
    """A shell starts background jobs with SIGINT ignored, and their children inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def messages_as_on_the_command_line():
    """Tests read on standard error what a user of the command line would; the library is silent."""
    from tokser.cli.messages import messages_shown

    with messages_shown():
        yield


@pytest.fixture(autouse=True)
def threads_of_this_thread_are_its_own():
    """A test may call in this thread what is for a thread of a pool, which computes alone."""
    from tokser import threads

    before = threads._chosen.get()
    yield
    threads._chosen.set(before)


@pytest.fixture(scope="session")
def write_noise_emodb():
    """Return what writes 24 recordings of noise in EmoDB's layout, one of them broken."""

    def write(root: Path) -> None:
        (root / "wav").mkdir()
        rng = np.random.default_rng(0)
        names = [f"{s}{t}{e}a" for s in ("03", "08", "09") for t in ("a01", "b02") for e in "FWNT"]
        for name in names:
            samples = rng.normal(0, 0.1, rng.integers(6_000, 20_000))
            soundfile.write(root / "wav" / f"{name}.wav", samples, 16_000)
        (root / "wav" / "08b02Na.wav").write_bytes(b"no audio")

    return write


@pytest.fixture(scope="session")
def write_wav():
    """Return what writes half a second of noise to a path, with its folder."""

    def write(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = np.random.default_rng(len(path.name)).normal(0, 0.1, 8_000)
        soundfile.write(path, samples, 16_000)

    return write


@pytest.fixture
def registered(tmp_path, monkeypatch):
    """Return what installs a package of nothing but entry points, and returns its folder."""

    def install(package: str, group: str, entry_points: dict[str, str]) -> Path:
        folder = tmp_path / "site" / package
        about = folder / f"{package}-1.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"{name} = {value}" for name, value in entry_points.items()]
        (about / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]))
        monkeypatch.syspath_prepend(folder)
        return folder

    before = set(sys.modules)
    yield install
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def example_package(monkeypatch) -> None:
    """Make the example package of the documentation importable."""
    folder = Path(__file__).parents[1] / "docs" / "examples" / "tokser-example-plugin"
    monkeypatch.syspath_prepend(folder)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real recordings and weights; tests that need it skip, loudly, without it."""
    folder = Path(os.environ.get("TOKSER_TEST_DATA") or _BESIDE_THE_CHECKOUT).resolve()
    if not (folder / "data" / "emodb" / "wav").is_dir():
        pytest.skip(f"REAL DATA MISSING: set TOKSER_TEST_DATA ({folder} has no data/emodb/wav)")
    return folder


@pytest.fixture(scope="session")
def browser():
    """Chromium, which is started once."""
    names = ("chromium", "chromium-browser", "chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        pytest.skip(
            "NO CHROMIUM HERE (apt-get install chromium): pages are not tested in a browser"
        )
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    flags += [f"--disable-{what}" for what in ("background-networking", "component-update", "sync")]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield browser
        browser.close()


WIDTHS = {"phone": (375, 812), "desk": (1280, 900), "large phone": (390, 844), "wide": (1440, 900)}


@pytest.fixture
def open_page(browser):
    """Opens a page from its file; fails at the end on any complaint, or request elsewhere."""
    complaints, contexts = [], []

    def note_request(request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            complaints.append(f"request to {request.url}")

    def note_message(message) -> None:
        if message.type != "log":  # the theme of the documentation says which mode it is in
            complaints.append(message.text)

    def open_at(file: Path, width: str = "desk", scheme: str = "light", **options):
        w, h = WIDTHS[width]
        context = browser.new_context(
            viewport={"width": w, "height": h}, color_scheme=scheme, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", note_message)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", note_request)
        page.goto(file.as_uri())
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """A folder of tiny random checkpoints."""
    from tokser.corpora.transcript import emodb_sentences
    from tokser.testing import build_tiny_bert, build_tiny_wavlm, build_tiny_whisper

    folder = tmp_path_factory.mktemp("encoders")
    build_tiny_whisper(folder / "tiny-whisper")
    build_tiny_wavlm(folder / "tiny-wavlm")
    build_tiny_bert(folder / "tiny-bert", list(emodb_sentences().values()) * 4)
    return folder


@pytest.fixture(scope="session")
def tiny_transcriber(tmp_path_factory) -> Path:
    """The folder of a tiny random Whisper that writes letters."""
    from tokser.testing import build_tiny_transcriber

    folder = tmp_path_factory.mktemp("transcriber") / "tiny-transcriber"
    build_tiny_transcriber(folder, seed=1)
    return folder


@pytest.fixture
def emodb(tmp_path) -> Path:
    """Six recordings of noise in EmoDB's layout, in a folder with a name beyond ASCII."""
    import soundfile

    root = tmp_path / "Korpus für Gefühle"
    (root / "wav").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("03a01Fa", "03a02Wa", "08a01Na", "08b01Ta", "09a01La", "09a05Ea"):
        samples = rng.normal(0, 0.1, rng.integers(6_000, 20_000))
        soundfile.write(root / "wav" / f"{name}.wav", samples, 16_000)
    return root


class StoreFactory:
    """Writes small real stores of random activations."""

    def __init__(self, folder: Path, suffix: str = ".zarr", compression: str = "none") -> None:
        self.folder, self.suffix, self.compression = folder, suffix, compression

    @property
    def path(self) -> Path:
        """Where the store lies, unless another name was given."""
        return self.folder / f"toy{self.suffix}"

    def manifest(self, num_utterances: int = 12) -> pd.DataFrame:
        rng = np.random.default_rng(0)
        labels = ["anger", "neutral", "sadness"]
        rows = [
            {
                "id": f"utt{i:03d}",
                "path": f"wav/utt{i:03d}.wav",
                "num_samples": int(rng.integers(8_000, 64_000)),
                "sampling_rate_hz": 16_000,
                "speaker": f"s{i % 4}",
                "sex": "fm"[i % 2],
                "session": "",
                "language": "de",
                "transcript": f"Satz Nummer {i % 5}",
                "label": labels[i % 3],
                "split": "dev-clean" if i % 4 == 0 else "train-clean-100",
            }
            for i in range(num_utterances)
        ]
        return pd.DataFrame(rows).set_index("id")

    def writer(
        self,
        table: pd.DataFrame,
        name: str | None = None,
        dataset: str = "emodb",
        may_grow: bool = False,
    ):
        from tokser.store import StoreWriter

        text = table.to_csv(lineterminator="\n")
        digest = hashlib.sha256(text.encode()).hexdigest()
        return StoreWriter(
            self.folder / name if name else self.path,
            dataset=dataset,
            manifest_text=text,
            manifest_digest=digest,
            may_grow=may_grow,
        )

    def plan(
        self,
        table: pd.DataFrame,
        *,
        name: str = "whisper-tiny",
        features: dict[str, int] | None = None,
        kind: str = "speech",
        dtype: str = "float16",
        shard_bytes: int = 40_000,
        lengths: np.ndarray | None = None,
        **provenance: object,
    ):
        from tokser.store import FeatureSpec, GroupPlan

        if lengths is None:
            lengths = -(-table["num_samples"].to_numpy() // 1_600)
        specs = {
            k: FeatureSpec(dim=v, dtype=dtype, compression=self.compression)
            for k, v in (features or {"layer-2": 8}).items()
        }
        return GroupPlan(
            name=name,
            kind=kind,
            features=specs,
            lengths=np.asarray(lengths, dtype=np.int64),
            provenance={"model": name} | provenance,
            shard_bytes=shard_bytes,
        )

    def rows(self, plan, feature: str, position: int) -> np.ndarray:
        """The values that utterance `position` has in `feature`: random, but always the same."""
        key = [position, *feature.encode()]
        shape = (int(plan.lengths[position]), plan.features[feature].dim)
        return np.random.default_rng(key).normal(size=shape).astype(plan.features[feature].dtype)

    def fill(self, group, plan, *, only_shards: set[int] | None = None) -> None:
        for shard, features in group.pending().items():
            if only_shards is None or shard in only_shards:
                first, after = group.layout.shard_utterances(shard)
                rows = {f: [self.rows(plan, f, i) for i in range(first, after)] for f in features}
                group.commit(shard, rows, {})

    def complete(
        self, table: pd.DataFrame | None = None, *plans, name: str | None = None, **kwargs
    ):
        """Write and open a store whose groups are whole."""
        from tokser.store import open_store

        table = self.manifest() if table is None else table
        with self.writer(table, name=name, **kwargs) as writer:
            for plan in plans or (self.plan(table),):
                self.fill(writer.plan_group(plan), plan)
        return open_store(self.folder / name if name else self.path)


@pytest.fixture(scope="session")
def store_factory() -> type[StoreFactory]:
    """The class behind `stores`, for fixtures that live longer than a test."""
    return StoreFactory


@pytest.fixture
def stores(tmp_path: Path) -> StoreFactory:
    return StoreFactory(tmp_path)


class RemoteStoreFactory(StoreFactory):
    """The same at a URL."""

    def __init__(self, bucket: str, folder: Path, compression: str = "none") -> None:
        super().__init__(folder, compression=compression)
        self.bucket = bucket

    @property
    def path(self) -> str:
        return f"{self.bucket}/some folder/toy.zarr"


_S3_SERVER = """
import sys
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()  # until the tests end, however they end
"""


@pytest.fixture(scope="session")
def s3_server():
    """Endpoint of an S3 server on this machine, in a process of its own."""
    command = [sys.executable, "-c", _S3_SERVER]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **pipes, text=True) as server:
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        server.kill()


@pytest.fixture
def s3_bucket(s3_server, monkeypatch) -> str:
    """URL of a new bucket, which the environment says how to reach."""
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    with urlopen(Request(f"{s3_server}/{name}", method="PUT"), timeout=10):
        pass
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return f"s3://{name}"


@pytest.fixture
def remote_stores(s3_bucket, tmp_path: Path) -> RemoteStoreFactory:
    return RemoteStoreFactory(s3_bucket, tmp_path)


class LoopbackServer:
    """An HTTP server on this machine, while its block runs.

    Attributes:
        url: Its address.
    """

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        raise NotImplementedError


class Loopback(LoopbackServer):
    """A server that misbehaves as it is told.

    Attributes:
        files: Content by name.
        faults: What is wrong with the answer to each request to come, in order; "" is nothing.
        always: What is wrong with every answer after those.
        requests: Name and Range header of every request so far.
        stop_after: Bytes of the body that "drop" sends.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: list[str] = []
        self.always = ""
        self.requests: list[tuple[str, str]] = []
        self.stop_after = 1_000
        super().__init__()

    def _handler(self):
        loopback = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments) -> None:
                pass

            def do_GET(self) -> None:
                name, asked = self.path.rpartition("/")[2], self.headers.get("Range", "")
                loopback.requests.append((name, asked))
                fault = loopback.faults.pop(0) if loopback.faults else loopback.always
                loopback.answer(self, name, asked, fault)

        return Handler

    def answer(self, handler, name: str, asked: str, fault: str) -> None:
        content = self.files.get(name)
        if content is None or fault.isdigit():
            handler.send_response(int(fault or 404))
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if "no ranges" in fault:
            start = 0
        if start >= len(content) > 0:
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(content)}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        handler.send_response(206 if start else 200)
        if start:
            place = 0 if fault == "other place" else start
            handler.send_header("Content-Range", f"bytes {place}-{len(content) - 1}/{len(content)}")
        body = content[start:]
        lies = {"says more": len(body) + 500, "says less": max(1, len(body) // 2)}
        handler.send_header("Content-Length", str(lies.get(fault, len(body))))
        handler.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()[:16]}"')
        handler.end_headers()
        try:
            handler.wfile.write(
                body[: self.stop_after] if "drop" in fault or fault == "stall" else body
            )
            if fault == "stall":
                handler.wfile.flush()
                time.sleep(3)
        except (BrokenPipeError, ConnectionResetError):
            pass
        handler.close_connection = True


@pytest.fixture
def loopback(monkeypatch) -> Iterator[Loopback]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Loopback() as server:
        yield server
