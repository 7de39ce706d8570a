"""A minimal hub on this machine: repositories, uploads by LFS, commits, trees, downloads."""

import base64
import hashlib
import json
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote, urlsplit

from tests.conftest import LoopbackServer

LFS_FROM_BYTES = 2_000
"""Files of this size and above are uploaded before the commit."""


class HubServer(LoopbackServer):
    """What the hub answers to `huggingface_hub`; repositories live in memory.

    Attributes:
        commits: Files of each commit, content by path, by `kind/repo` and commit.
        blobs: Large files, by sha256.
        requests: Method and path of every request.
        refuse_uploads_after: Number of large files after which uploads fail; None for never.
    """

    def __init__(self) -> None:
        self.commits: dict[str, dict[str, dict[str, bytes]]] = {}
        self.heads: dict[str, str] = {}
        self.blobs: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.refuse_uploads_after: int | None = None
        super().__init__()

    def files(self, repo: str) -> dict[str, bytes]:
        """Files of `datasets/USER/NAME` or `models/USER/NAME` as they are now."""
        return self.commits[repo][self.heads[repo]]

    def create(self, repo: str) -> None:
        if repo not in self.heads:
            self.commits[repo] = {}
            self.add_commit(repo, {})

    def add_commit(self, repo: str, files: dict[str, bytes]) -> str:
        number = f"{repo}{len(self.commits[repo])}"
        commit = hashlib.sha1(number.encode()).hexdigest()
        self.commits[repo][commit] = files
        self.heads[repo] = commit
        return commit

    def revision(self, repo: str, revision: str) -> str | None:
        commit = self.heads.get(repo) if revision == "main" else revision
        return commit if commit in self.commits.get(repo, {}) else None

    def _handler(hub):  # noqa: N805  the handler's own `self` is inside
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                self._route()

            do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

            def _route(self):
                path = unquote(urlsplit(self.path).path).strip("/")
                hub.requests.append((self.command, path))
                body = self._body()
                words = path.split("/")
                if path == "api/repos/create":
                    return self._create(json.loads(body))
                if path == "api/validate-yaml":
                    return self._json({"errors": [], "warnings": []})
                if words[0] == "api" and len(words) < 6:
                    return self._missing("EntryNotFound")
                if words[0] == "api":
                    repo = "/".join(words[1:4])
                    return getattr(self, f"_{words[4]}")(repo, words[5:], body)
                if words[0] == "blobs":
                    return self._put_blob(words[1], body)
                repo = "/".join(words[:3] if words[0] == "datasets" else ["models", *words[:2]])
                rest = words[3:] if words[0] == "datasets" else words[2:]
                if repo.endswith(".git"):
                    return self._batch(json.loads(body))
                return self._resolve(repo, rest[1], "/".join(rest[2:]))

            def _body(self):
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def _create(self, asked):
                kind = f"{asked.get('type') or 'model'}s"
                repo = (
                    f"{asked['organization']}/{asked['name']}"
                    if asked.get("organization")
                    else (asked["name"])
                )
                hub.create(f"{kind}/{repo}")
                self._json({"url": f"{hub.url}/{kind}/{repo}"})

            def _revision(self, repo, rest, body):
                commit = hub.revision(repo, rest[0])
                if commit is None:
                    return self._missing(
                        "RepoNotFound" if repo not in hub.heads else "RevisionNotFound"
                    )
                name = repo.partition("/")[2]
                self._json({"id": name, "sha": commit, "private": True, "downloads": 0, "tags": []})
                return None

            def _tree(self, repo, rest, body):
                files = hub.commits[repo][hub.revision(repo, rest[0])]
                start = "/".join(rest[1:])
                found = [
                    {"type": "file", "path": path, "size": len(content), "oid": _sha1(content)}
                    for path, content in files.items()
                    if not start or path.startswith(f"{start}/")
                ]
                self._json(found)

            def _preupload(self, repo, rest, body):
                if hub.revision(repo, rest[0]) is None:
                    return self._missing("RepoNotFound")
                files = [
                    {
                        "path": one["path"],
                        "uploadMode": "lfs" if one["size"] >= LFS_FROM_BYTES else "regular",
                        "shouldIgnore": False,
                    }
                    for one in json.loads(body)["files"]
                ]
                self._json({"files": files})
                return None

            def _batch(self, asked):
                objects = []
                for one in asked["objects"]:
                    answer = {"oid": one["oid"], "size": one["size"]}
                    if one["oid"] not in hub.blobs:
                        answer["actions"] = {"upload": {"href": f"{hub.url}/blobs/{one['oid']}"}}
                    objects.append(answer)
                self._json({"transfer": "basic", "objects": objects})

            def _put_blob(self, oid, body):
                limit = hub.refuse_uploads_after
                if limit is not None and len(hub.blobs) >= limit:
                    return self._answer(403, b"no more")
                assert hashlib.sha256(body).hexdigest() == oid
                hub.blobs[oid] = body
                self._answer(200, b"")
                return None

            def _commit(self, repo, rest, body):
                files = dict(hub.files(repo))
                for line in body.splitlines():
                    one = json.loads(line)
                    value = one["value"]
                    if one["key"] == "file":
                        files[value["path"]] = base64.b64decode(value["content"])
                    elif one["key"] == "lfsFile":
                        files[value["path"]] = hub.blobs[value["oid"]]
                    elif one["key"] == "deletedFile":
                        del files[value["path"]]
                commit = hub.add_commit(repo, files)
                self._json({"commitUrl": f"{hub.url}/{repo}/commit/{commit}", "commitOid": commit})

            def _resolve(self, repo, revision, path):
                commit = hub.revision(repo, revision)
                content = hub.commits[repo][commit].get(path) if commit else None
                if content is None:
                    return self._missing("EntryNotFound")
                about = {"X-Repo-Commit": commit, "ETag": f'"{_sha1(content)}"'}
                self._answer(200, content, about)
                return None

            def _missing(self, code):
                self._answer(404, b"", {"X-Error-Code": code, "X-Error-Message": code})

            def _json(self, content):
                self._answer(
                    200, json.dumps(content).encode(), {"Content-Type": "application/json"}
                )

            def _answer(self, status, content, headers=None):
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

        return Handler


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
