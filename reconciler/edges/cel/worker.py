"""The worker's loop: `python -m reconciler.edges.cel.worker MEMORY CPU`, started by `process` and by nobody else.

It reads frames (4 bytes of length, then JSON) from standard input and writes one frame per job. It ends when its input
ends. It has no secrets: its environment is made for it. When it runs out of memory it ends: what a half-finished
allocation left behind is not worth guessing.
"""

import os
import resource
import sys
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import orjson

from reconciler.edges.cel.limits import MAX_REPLY

if TYPE_CHECKING:  # the library is imported when `ready` can report that it is missing
    from reconciler.edges.cel.compile import Program

HEADER = 4
KEPT_PROGRAMS = 256
EXIT_MEMORY = 77


class Programs:
    """Compiled policies by digest, the most recently used ones."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Program] = OrderedDict()

    def get(self, digest: str, spec: Any) -> "Program":
        """The program of `spec`; raises NotCompiled."""
        from reconciler.edges.cel.compile import compile_policy

        program = self._kept.pop(digest, None) or compile_policy(spec)
        self._kept[digest] = program
        if len(self._kept) > KEPT_PROGRAMS:
            self._kept.popitem(last=False)
        return program


def work(job: dict[str, Any], programs: Programs) -> dict[str, Any]:
    """One job: with `variables` a question, without them a check. Problems are rows of (path, sentence)."""
    from reconciler.edges.cel.compile import NotCompiled
    from reconciler.edges.cel.evaluate import answer

    try:
        program = programs.get(job["policy"], job["spec"])
    except NotCompiled as error:
        return {"problems": error.problems}
    return answer(program, job["variables"]) if "variables" in job else {"problems": []}


def limit(*, memory: int) -> None:
    """Limits for the whole life of the process: memory, no files, no core dumps."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def allow_cpu(seconds: int) -> None:
    """`seconds` more than what was used until now; beyond them the kernel ends the process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = int(usage.ru_utime + usage.ru_stime) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (used + seconds, hard))


def read_frame() -> bytes:
    """The next message; empty at the end of input."""
    header = sys.stdin.buffer.read(HEADER)
    return sys.stdin.buffer.read(int.from_bytes(header, "big")) if len(header) == HEADER else b""


def write_frame(data: Any) -> None:
    """One reply."""
    payload = orjson.dumps(data)
    if len(payload) > MAX_REPLY:
        payload = orjson.dumps({"problems": [["spec", "its answer is too large"]]})
    sys.stdout.buffer.write(len(payload).to_bytes(HEADER, "big") + payload)
    sys.stdout.buffer.flush()


def main(memory: int, cpu: int) -> int:
    """Serve until the input ends."""
    try:
        import reconciler.edges.cel.evaluate  # noqa: F401  # the library: loaded before the memory limit
    except ImportError as error:
        write_frame({"ready": False, "error": str(error)})
        return 1
    limit(memory=memory)
    programs = Programs()
    write_frame({"ready": True, "pid": os.getpid()})
    while frame := read_frame():
        for job in orjson.loads(frame):
            allow_cpu(cpu)
            try:
                write_frame(work(job, programs))
            except MemoryError:
                return EXIT_MEMORY  # the answer: `process` reads it from the exit code
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
