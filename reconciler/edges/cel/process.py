"""The worker process as its owner sees it: started, written to, read from with a deadline, ended.

Not thread-safe; the engine holds a lock. Both pipes are non-blocking, so a worker that stops reading or answering costs
its deadline and no more.
"""

import importlib.util
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from reconciler.edges.cel.limits import MAX_REPLY, Limits
from reconciler.edges.cel.worker import EXIT_MEMORY, HEADER
from reconciler.errors import Misused

MISSING = "Policies need the package cel-expr-python, which cannot be loaded here (it has no build for musl libc)"
HINT = "install it (pip install cel-expr-python==0.1.3) on a glibc system such as Debian"
GRACE = 1.0  # seconds that a worker gets to end by itself
CHUNK = 1 << 16


class Lost(Exception):
    """The worker is gone; the text ends a sentence that begins with a policy's name."""


class WorkerProcess:
    """One running worker."""

    def __init__(self, limits: Limits) -> None:
        """Start it and wait until it is ready. Raises Lost, or Misused when the library is missing."""
        if importlib.util.find_spec("cel_expr_python") is None:
            raise Misused(f"{MISSING}.", hint=HINT)
        self._limits = limits
        arguments = [sys.executable, "-s", "-P", "-m", "reconciler.edges.cel.worker"]
        self._child = subprocess.Popen(
            [*arguments, str(limits.memory), str(limits.cpu)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd="/",
            env=_environment(),
            start_new_session=True,
        )
        try:
            self._await_ready()
        except BaseException:
            self.end()
            raise

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._child.pid

    @property
    def alive(self) -> bool:
        """False once it has ended, for whatever reason."""
        return self._child.poll() is None

    def send(self, data: Any, *, seconds: float) -> None:
        """Write one message; raises Lost."""
        payload = orjson.dumps(data)
        left = memoryview(len(payload).to_bytes(HEADER, "big") + payload)
        deadline = time.monotonic() + seconds
        pipe = self._pipe(self._child.stdin)
        while left:
            self._wait(pipe, select.POLLOUT, deadline)
            try:
                left = left[os.write(pipe, left[:CHUNK]) :]
            except BlockingIOError:
                continue
            except BrokenPipeError as error:
                raise Lost(self._obituary()) from error

    def receive(self, *, seconds: float) -> dict[str, Any]:
        """The next reply; raises Lost."""
        deadline = time.monotonic() + seconds
        size = int.from_bytes(self._read(HEADER, deadline), "big")
        if size > MAX_REPLY:
            raise Lost("could not be evaluated: the worker's answer is not one")
        try:
            reply: dict[str, Any] = orjson.loads(self._read(size, deadline))
        except orjson.JSONDecodeError as error:
            raise Lost("could not be evaluated: the worker's answer is not one") from error
        return reply

    def end(self) -> None:
        """Close its input, wait a moment, kill it. Leaves no process and no open pipe."""
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        try:
            self._child.wait(GRACE if self.alive else None)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it now; for one that overran its time."""
        self._child.kill()
        self._child.wait()

    def _await_ready(self) -> None:
        for pipe in (self._child.stdin, self._child.stdout):
            os.set_blocking(self._pipe(pipe), False)
        hello = self.receive(seconds=self._limits.start)
        if not hello.get("ready"):
            raise Misused(f"{MISSING}: {hello.get('error', 'it ended')}.", hint=HINT)

    @staticmethod
    def _pipe(stream: Any) -> int:
        return int(stream.fileno())

    def _wait(self, pipe: int, event: int, deadline: float) -> None:
        poll = select.poll()
        poll.register(pipe, event)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            self.kill()
            raise Lost("could not be evaluated: it took longer than its time limit")

    def _read(self, count: int, deadline: float) -> bytes:
        pipe = self._pipe(self._child.stdout)
        data = bytearray()
        while len(data) < count:
            self._wait(pipe, select.POLLIN, deadline)
            try:
                chunk = os.read(pipe, min(CHUNK, count - len(data)))
            except BlockingIOError:
                continue
            if not chunk:
                raise Lost(self._obituary())
            data += chunk
        return bytes(data)

    def _obituary(self) -> str:
        """How it ended, as far as the kernel says."""
        try:
            code = self._child.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.kill()
            return "could not be evaluated: the worker stopped talking"
        if code == -signal.SIGXCPU:
            return f"could not be evaluated: it used more than {self._limits.cpu} s of CPU time"
        if code == EXIT_MEMORY:
            return f"could not be evaluated: it needs more than {self._limits.memory >> 20} MiB of memory"
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"could not be evaluated: the worker ended ({how})"


def _environment() -> dict[str, str]:
    """All that the worker needs: where Python looks for packages, and a UTF-8 locale. No secret of ours is in it."""
    paths = [str(Path(entry).absolute()) for entry in sys.path if entry]
    root = str(Path(__file__).absolute().parents[3])
    return {"PYTHONPATH": os.pathsep.join([*paths, root]), "LC_ALL": "C.UTF-8", "PATH": os.defpath}
