"""Runs git: the one place of the program that starts a git process.

Not a judgement of what git says: callers get an `Output` and decide. Rules: GitPython finds and starts the program;
the environment is made here from nothing, so no variable of ours reaches git by accident; no shell, no prompt, no
hook, no filter, no credential helper, no redirect, no replace ref, no graft; every process is the leader of its own
group and the whole group dies when the time is up; what git printed is masked before it becomes a message. Secrets
travel in the environment of the one process that needs them, never in its arguments.
"""

import os
import re
import resource
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from reconciler.errors import Misused

LOCAL_TIMEOUT = 60.0  # seconds for a command that touches only our own disk
MAX_OUTPUT = 8 * 1024 * 1024  # bytes of standard output of one command
_MAX_ERROR = 16 * 1024  # bytes of standard error kept: the end of it says why
_MAX_DETAIL = 400  # characters of git's words in one of our sentences
_CHUNK = 64 * 1024

_CONFIG: tuple[tuple[str, str], ...] = (
    ("core.hooksPath", os.devnull),
    ("core.fsmonitor", "false"),
    ("core.askPass", ""),
    ("core.attributesFile", os.devnull),
    ("core.excludesFile", os.devnull),
    ("core.bigFileThreshold", "16m"),  # larger blobs are streamed, not held in memory
    ("credential.helper", ""),
    ("http.followRedirects", "false"),
    ("http.sslVerify", "true"),
    ("protocol.allow", "never"),
    ("protocol.ext.allow", "never"),
    ("fetch.fsckObjects", "true"),
    ("transfer.fsckObjects", "true"),
    ("fetch.unpackLimit", "1"),  # one file per fetch: the size limit is a limit on that file
    ("fetch.recurseSubmodules", "false"),
    ("submodule.recurse", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("push.gpgSign", "false"),
    ("commit.gpgSign", "false"),
)
_ENVIRONMENT: dict[str, str] = {
    "LC_ALL": "C",
    "LANGUAGE": "C",
    "TZ": "UTC",
    "HOME": os.devnull,  # no .netrc, no .ssh/config, no attributes of the user we run as
    "XDG_CONFIG_HOME": os.devnull,
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "false",
    "SSH_ASKPASS": "false",
    "SSH_ASKPASS_REQUIRE": "never",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PROTOCOL_FROM_USER": "0",
    "GIT_SSH_VARIANT": "ssh",
}
_USERINFO = re.compile(r"(?<=://)[^/\s@:]*:[^/\s@]*@")
_HEADER = re.compile(r"(?i)\b(authorization|proxy-authorization|cookie|private-token)(\s*[:=]\s*)[^\r\n]*")
_ASSIGNED = re.compile(r"(?i)\b((?:access_|private_|job_)?token|password|passwd|secret)(\s*[=:]\s*)\S+")
_TOKEN = re.compile(r"\b(?:gh[pousr]_|github_pat_|glpat-|gldt-|glrt-)[A-Za-z0-9_-]+")
_SAYING = ("fatal:", "error:", "ssh:", "!", "remote:")  # the most telling first


class Ending(StrEnum):
    """How a command ended: by itself, out of time, or with more output than we read."""

    EXITED = "exited"
    TIMED_OUT = "timed out"
    TOO_MUCH = "too much output"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What one command needs beyond the defaults: protocols, configuration, variables, and values to mask."""

    protocols: str = "none"
    """Colon-separated, as in GIT_ALLOW_PROTOCOL; `none` names no protocol, so nothing leaves this machine."""
    config: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    without: frozenset[str] = frozenset()
    """Variables and settings of the clean environment that are left out, for a person has their own."""


LOCAL = Access()


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What one command said. `detail` is masked, printable and at most one short paragraph."""

    ending: Ending
    status: int
    """The exit status; negative: the signal that ended it."""
    stdout: bytes
    detail: str

    @property
    def ok(self) -> bool:
        """Whether it ended by itself and with status 0."""
        return self.ending is Ending.EXITED and self.status == 0


class Git:
    """Runs git commands in one bare repository. Holds no state; safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(
        self,
        arguments: Sequence[str],
        *,
        access: Access = LOCAL,
        stdin: bytes = b"",
        timeout: float = LOCAL_TIMEOUT,
        file_limit: int = 0,
    ) -> Output:
        """Run `git <arguments>` to its end.

        `timeout` is in seconds, for the whole group of processes. `file_limit` is the largest file in bytes that it,
        or a process it starts, may write (0: no limit). Raises `Misused` when there is no git.
        """
        with tempfile.TemporaryFile() as source:
            source.write(stdin)
            source.seek(0)
            process = self.start(arguments, stdin=source, stderr=subprocess.PIPE, access=access)
            try:
                if file_limit:
                    _limit_files(process, file_limit)
                ending, stdout, stderr = _collect(process, timeout)
            finally:
                end(process)
        return Output(
            ending=ending,
            status=int(process.returncode),
            stdout=stdout,
            detail=_detail(stderr, access.secrets),
        )

    def start(
        self, arguments: Sequence[str], *, stdin: IO[bytes] | int, stderr: int, access: Access = LOCAL
    ) -> subprocess.Popen[bytes]:
        """Start `git <arguments>` with standard output on a pipe; the caller ends it with `end`."""
        command, popen = _gitpython()
        try:
            process: subprocess.Popen[bytes] = popen(
                [command, *arguments],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd="/",
                env=_environment(self.folder, access),
                start_new_session=True,
                shell=False,
            )
        except FileNotFoundError as error:
            raise Misused("git is not installed.", hint="Install git 2.36 or newer.") from error
        return process


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and everything in its group, close its pipes and collect its status."""
    if process.returncode is None:  # not collected yet, so the number still means this group and no other
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            _close(pipe)


def _close(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except BrokenPipeError:
        return  # what was still buffered for a process that has ended


def mask(text: str, secrets: Sequence[str] = ()) -> str:
    """The text without credentials: the named values, user information in URLs, headers and well-known tokens."""
    for secret in sorted(secrets, key=len, reverse=True):
        if secret:
            text = text.replace(secret, "***")
    text = _USERINFO.sub("***@", text)
    text = _HEADER.sub(r"\1\2***", text)
    text = _ASSIGNED.sub(r"\1\2***", text)
    return _TOKEN.sub("***", text)


def _gitpython() -> tuple[str, Any]:
    """The name of the program and the function that starts it, both GitPython's (imported late: it is heavy)."""
    try:
        from git.cmd import Git as Program
        from git.cmd import safer_popen
    except ImportError as error:
        raise Misused("git cannot be started.", hint="Install git 2.36 or newer and GitPython.") from error
    return str(Program.GIT_PYTHON_GIT_EXECUTABLE or "git"), safer_popen


def _environment(folder: Path, access: Access) -> dict[str, str]:
    settings = (*(row for row in _CONFIG if row[0] not in access.without), *access.config)
    numbered = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings):
        numbered[f"GIT_CONFIG_KEY_{number}"] = key
        numbered[f"GIT_CONFIG_VALUE_{number}"] = value
    return {
        **{name: value for name, value in _ENVIRONMENT.items() if name not in access.without},
        "PATH": os.pathsep.join(os.get_exec_path()),
        "GIT_DIR": str(folder),
        "GIT_ALLOW_PROTOCOL": access.protocols,
        **numbered,
        **access.environment,
    }


def _limit_files(process: subprocess.Popen[bytes], limit: int) -> None:
    # Children inherit the limit: git starts those that write only after it has talked to the remote.
    try:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, limit))
    except ProcessLookupError:
        return  # it has ended already and has written nothing


def _collect(process: subprocess.Popen[bytes], timeout: float) -> tuple[Ending, bytes, bytes]:
    deadline = time.monotonic() + timeout
    out, err = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, out)  # type: ignore[arg-type]  # both are pipes
        selector.register(process.stderr, selectors.EVENT_READ, err)  # type: ignore[arg-type]  # as started above
        while selector.get_map():
            for key, _ in selector.select(max(0.0, deadline - time.monotonic())):
                chunk = os.read(key.fd, _CHUNK)
                key.data.extend(chunk)
                if not chunk:
                    selector.unregister(key.fileobj)
            del err[:-_MAX_ERROR]
            if len(out) > MAX_OUTPUT:
                return Ending.TOO_MUCH, bytes(out), bytes(err)
            if time.monotonic() >= deadline:
                return Ending.TIMED_OUT, bytes(out), bytes(err)
    try:
        process.wait(max(0.05, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return Ending.TIMED_OUT, bytes(out), bytes(err)
    return Ending.EXITED, bytes(out), bytes(err)


def _detail(stderr: bytes, secrets: Sequence[str]) -> str:
    """Git's words for people: the lines that say what went wrong, masked, printable, short."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", mask(stderr.decode("utf-8", "replace"), secrets))]
    telling = [line for words in _SAYING for line in lines if line.startswith(words)]
    words = "; ".join(telling or [line for line in lines if line][-2:])
    printable = "".join(char if char.isprintable() else " " for char in words)
    return printable if len(printable) <= _MAX_DETAIL else f"{printable[:_MAX_DETAIL]}…"
