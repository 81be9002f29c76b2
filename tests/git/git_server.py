"""Git over http on this machine, as a forge serves it."""

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CANARY = "ghx-canary-5b1c9e77"


@contextmanager
def serving(folder: Path) -> Iterator["GitServer"]:
    """A bare repository, which is told to take pushes, served until the end."""
    subprocess.run(["git", "-C", folder, "config", "http.receivepack", "true"], check=True)
    with GitServer(folder) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


class GitServer(ThreadingHTTPServer):
    """Git over http on this machine through git's own `http-backend`; asks for the token, redirects or denies."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.behaviour = "serve"
        self.seen: list[tuple[str, str]] = []
        self.commands = b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{self.folder.name}"


class _Handler(BaseHTTPRequestHandler):
    server: GitServer

    def do_GET(self):
        self.server.seen.append((self.path, self.headers.get("Authorization", "")))
        self.server.commands += b"".join(_command_lines())
        if self.server.behaviour == "redirect":
            return self._answer(302, [("Location", f"http://127.0.0.1:{self.server.server_address[1]}/stolen")])
        expected = base64.b64encode(f"x-access-token:{CANARY}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {expected}" or self.server.behaviour == "deny":
            return self._answer(401, [("WWW-Authenticate", "Basic realm=git")])
        path, _, query = self.path.partition("?")
        done = subprocess.run(
            ["git", "http-backend"],
            input=self.rfile.read(int(self.headers.get("Content-Length", 0))),
            capture_output=True,
            check=True,
            env={
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(self.server.folder.parent),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "REQUEST_METHOD": self.command,
                "REMOTE_USER": "bot",
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            },
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = [tuple(line.decode().split(": ", 1)) for line in head.split(b"\r\n")]
        status = next((int(value[:3]) for name, value in headers if name == "Status"), 200)
        return self._answer(status, [pair for pair in headers if pair[0] != "Status"], body)

    do_POST = do_GET  # noqa: N815  # the name the server looks for

    def _answer(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        return


def _command_lines() -> Iterator[bytes]:
    """What everybody on this machine can read of the processes that run now."""
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        # Any of them may end before it is read; asking first whether it is there would not help.
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            yield process.read_bytes()
