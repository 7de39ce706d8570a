"""A web server of this machine that answers late, and counts: `store_server.py FOLDER`.

It prints its port. `/-/DELAY_MS` sets how late answers are from now on, and returns how many
requests there were since the last such call.
"""

import http.client
import itertools
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Server:
    """A server in a process of its own.

    Attributes:
        address: URL of the folder.
    """

    def __init__(self, port: int) -> None:
        self._port, self.address = port, f"http://127.0.0.1:{port}"

    def requests(self, delay_ms: int) -> int:
        """Return how many requests there were since the last call; answers are late from now on."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        connection.request("GET", f"/-/{delay_ms}")
        return int(connection.getresponse().read())


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Serve a folder."""
    command = [sys.executable, __file__, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Server(int(process.stdout.readline()))
        finally:
            process.kill()


class _Late(SimpleHTTPRequestHandler):
    """Answers requests for parts of files, each after a while."""

    protocol_version = "HTTP/1.1"
    delay_s, numbers = 0.0, itertools.count()
    disable_nagle_algorithm = True

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        if self.path.startswith("/-/"):
            _Late.delay_s = int(self.path[3:]) / 1e3
            content = str(next(_Late.numbers)).encode()
            _Late.numbers = itertools.count()
            self._head(200, len(content))
            self.wfile.write(content)
        else:
            self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        next(_Late.numbers)
        time.sleep(self.delay_s)
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self._head(404, 0)
            return
        size, wanted = path.stat().st_size, self.headers.get("Range")
        if not wanted:
            first, after, status = 0, size, 200
        else:
            start, _, last = wanted.removeprefix("bytes=").partition("-")
            first = int(start) if start else size - int(last)
            after, status = (min(int(last) + 1, size) if start and last else size), 206
        self._head(status, after - first, f"bytes {first}-{after - 1}/{size}")
        if body:
            with path.open("rb") as file:
                self.wfile.flush()
                self.connection.sendfile(file, first, after - first)

    def _head(self, status: int, length: int, span: str = "") -> None:
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", span)
        self.send_header("Content-Length", str(length))
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Late, directory=sys.argv[1]))
    print(server.server_port, flush=True)
    server.serve_forever()
