"""The demo's stage: processes that are started, killed and watched, and what can be seen from outside.

The clusters are one separate process (or real ones, when a kubeconfig is given), the daemon another; both are what a
user would run. The story looks at them only through the API servers and Git.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import orjson

from reconciler.demo.forge.visitor import Visitor
from reconciler.demo.organisation import BOT, PROJECT, Organisation, make
from reconciler.edges.kube.connect import Connection, open_kubeconfig
from reconciler.edges.kube.states import States
from reconciler.errors import Conflict, Misused, NotFound, ReconcilerError, Refused, Unreachable
from reconciler.model.ids import EnvironmentName, ReleaseKey, ReleaseName, RepositoryName
from reconciler.model.plan import Condition
from reconciler.model.repository import RepositoryState
from reconciler.model.state import ReleaseState, ReleaseStatus, TargetState

CLUSTERS = ("eu-1", "us-1")
NAMESPACES = ("reconciler-system", "churn-staging", "fraud", "fraud-dev", "fraud-staging", "llm", "llm-staging")
_LOOK = 0.05  # seconds between two looks
_START = 30.0  # seconds that a process may take to come up
_STOP = 25.0
_ALLOW = frozenset({"plainLoopback"})


@dataclass(slots=True)
class Stage:
    """One organisation with two clusters and a daemon. `progress` hears sentences while something is waited for."""

    organisation: Organisation
    connections: dict[str, Connection]
    progress: Callable[[str], None]
    log: IO[bytes]
    servers: subprocess.Popen[bytes] | None = None
    forge: subprocess.Popen[bytes] | None = None
    daemon: subprocess.Popen[bytes] | None = None
    told: str = field(default="")

    # --- processes

    def start_daemon(self) -> None:
        """Start `reconciler run`."""
        self.daemon = _spawn(
            ["-m", "reconciler", "run", "--config", str(self.organisation.settings), "--log-format", "json"], self.log
        )

    def kill_daemon(self) -> None:
        """Send SIGKILL: it gets no chance to put anything in order."""
        if self.daemon:
            self.daemon.kill()
            self.daemon.wait()
            self.daemon = None

    def stop_daemon(self) -> None:
        """SIGTERM, as Kubernetes would."""
        if self.daemon:
            self.daemon.send_signal(signal.SIGTERM)
            self.daemon.wait(_STOP)
            self.daemon = None

    def close(self, *, keep_servers: bool = False) -> None:
        """End the processes."""
        self.kill_daemon()
        for connection in self.connections.values():
            connection.close()
        for process in (self.servers, self.forge):
            if process and not keep_servers:
                process.terminate()
                try:
                    process.wait(_STOP)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self.log.close()

    def types(self, who: str, *arguments: str) -> str:
        """One command as somebody types it in their clone, signing with their key; see `command`."""
        person, clone = self.organisation.person(who), self.organisation.checkout.top
        settings = self.organisation.folder / "keys" / f"{who}.gitconfig"
        settings.write_text(f"[user]\n\tname = {person.actor.name}\n\temail = {person.actor.email}\n")
        own = {"GIT_CONFIG_GLOBAL": str(settings)}
        if self.forge:
            own["RECONCILER_FORGE_TOKEN"] = self.organisation.token(who).read_text().strip()
        return self.command(*arguments, "--key", str(person.key), folder=clone, variables=own)

    def command(self, *arguments: str, folder: Path | None = None, variables: Mapping[str, str] | None = None) -> str:
        """Run one command as a user would; returns what it printed. Raises Refused when it does not end with 0."""
        done = subprocess.run(
            [sys.executable, "-m", "reconciler", *arguments], capture_output=True, text=True, check=False, timeout=120,
            cwd=folder, env={**os.environ, **(variables or {})},
        )  # fmt: skip
        if done.returncode:
            raise Refused(
                f"reconciler {arguments[0]} ended with {done.returncode}: {(done.stderr or done.stdout).strip()}"
            )
        return done.stdout.strip()

    # --- the forge

    @property
    def page(self) -> str:
        """Where the forge's page is."""
        return (self.organisation.folder / "forge" / "address").read_text().strip()

    def visitor(self, who: str) -> Visitor:
        """Somebody on the forge, with their own token."""
        token = self.organisation.token(who).read_text().strip()
        return Visitor(f"{self.page}/api/v3", PROJECT, token)

    def comment(self, number: int, words: str) -> str:
        """The daemon's comment on a pull request, once it says something."""
        found: list[str] = []

        def said() -> bool:
            with self.visitor("bo") as visitor:
                found[:] = [body for login, body in visitor.comments(number) if login == BOT]
            return bool(found) and words in found[0]

        try:
            self.wait(f"the comment on #{number} says “{words}”", said)
        except Refused as error:
            raise Refused(error.message, hint="\n".join(found)) from None
        return found[0]

    def commit_status(self, number: int, environment: str) -> tuple[str, str]:
        """State and description of an environment's status on a pull request's head; empty while there is none."""
        with self.visitor("bo") as visitor:
            head = visitor.pull(number)["head"]["sha"]
            return visitor.statuses(head).get(f"reconciler/{environment}", ("", ""))

    def told_well(self, number: int, environment: str) -> None:
        """Wait until merging would be acted upon."""
        self.wait(
            f"reconciler/{environment} succeeds on #{number}",
            lambda: self.commit_status(number, environment)[0] == "success",
        )

    # --- looking

    def status(self, environment: str, name: str) -> ReleaseStatus:
        """What the home cluster says of a release; an empty status when it says nothing yet."""
        key = self._key(environment, name)
        home = self.connections[CLUSTERS[0]]
        try:
            return States(home, ReleaseState).get("reconciler-system", key.state_name).value.status
        except NotFound:
            return ReleaseStatus()

    def repository_condition(self, kind: str) -> Condition:
        """What the home cluster says of the repository; raises NotFound while it says nothing of that kind."""
        listing = States(self.connections[CLUSTERS[0]], RepositoryState).list("reconciler-system")
        rows = (row for stored in listing.stored for row in stored.value.status.conditions if row.type == kind)
        found = next(rows, None)
        if found is None:
            raise NotFound(f"the repository has no condition {kind}")
        return found

    def target(self, cluster: str, environment: str, name: str, namespace: str) -> TargetState:
        """What a cluster says of a release; raises NotFound."""
        key = self._key(environment, name)
        return States(self.connections[cluster], TargetState).get(namespace, key.state_name).value

    def statuses(self) -> dict[tuple[str, str], ReleaseStatus]:
        """Every release's status, by environment and name."""
        listing = States(self.connections[CLUSTERS[0]], ReleaseState).list("reconciler-system")
        return {(row.value.release.environment, row.value.release.name): row.value.status for row in listing.stored}

    def _key(self, environment: str, name: str) -> ReleaseKey:
        return ReleaseKey(
            repository=RepositoryName(self.organisation.repository),
            environment=EnvironmentName(environment),
            name=ReleaseName(name),
        )

    def ask(self, cluster: str, method: str, path: str, body: Any = None, *, kind: str = "application/json") -> Any:
        """One request to a cluster, as kubectl would make it; the answer's JSON."""
        data = orjson.dumps(body) if body is not None else None
        return orjson.loads(self.connections[cluster].request(method, path, body=data, content_type=kind)[1])

    def wait(
        self, what: str, holds: Callable[[], bool], *, seconds: float = 60.0, telling: str = "", every: float = _LOOK
    ) -> float:
        """Wait until `holds`; returns how many seconds it took. Raises Refused with `what` when it never does."""
        began = time.monotonic()
        with contextlib.suppress(ReconcilerError):
            self.told = self._message(telling)
        while time.monotonic() - began < seconds:
            try:
                if holds():
                    return time.monotonic() - began
                if telling:
                    self._tell(telling)
            except (ReconcilerError, KeyError, AttributeError):
                pass  # not there yet, or not to be seen at the moment
            if self.daemon and self.daemon.poll() is not None:
                said = Path(self.log.name).read_text(errors="replace").strip().splitlines()[-3:]
                code = self.daemon.returncode
                raise Unreachable(f"the daemon ended with {code} while waiting until {what}", hint="\n".join(said))
            time.sleep(every)
        raise Refused(f"after {seconds:.0f} s it is still not so that {what}")

    def _tell(self, release: str) -> None:
        message = self._message(release)
        if message and message != self.told:
            self.told = message
            self.progress(message)

    def _message(self, release: str) -> str:
        environment, _, name = release.partition("/")
        return self.status(environment, name).message if name else ""


@contextlib.contextmanager
def staged(
    folder: Path,
    *,
    kubeconfig: Path | None,
    pace: float,
    progress: Callable[[str], None],
    clusters: Sequence[str] = CLUSTERS,
) -> Iterator[Stage]:
    """Set the stage in a new folder; the caller closes it. With `kubeconfig` its contexts are the clusters."""
    organisation = make(folder, metrics="127.0.0.1:0", poll="2s")
    with contextlib.ExitStack() as undo:
        log = undo.enter_context((folder / "demo.log").open("wb"))
        servers = None
        if kubeconfig is None:
            servers = _serve(folder / "clusters", log, pace, clusters)
            undo.callback(_end, servers)
            kubeconfig = folder / "clusters" / "kubeconfig"
        _copy(kubeconfig, organisation.kubeconfig)
        forge = _open_forge(organisation, log)
        undo.callback(_end, forge)
        connections = {
            name: open_kubeconfig(organisation.kubeconfig, name, name=name, allow=_ALLOW) for name in clusters
        }
        undo.pop_all()
    stage = Stage(
        organisation=organisation, connections=connections, progress=progress, log=log, servers=servers, forge=forge
    )
    try:
        for name in clusters:
            _prepare(stage, name)
        yield stage
    except BaseException:
        stage.close()
        raise


def _open_forge(organisation: Organisation, log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start the forge over the organisation's repository, and tell everybody of it."""
    port, web = _free_port(), f"127.0.0.1:{_free_port()}"
    organisation.use_forge(f"http://127.0.0.1:{port}/api/v3", web=web)
    folder = organisation.folder / "forge"
    folder.mkdir()
    people = {name: {"token": organisation.token(name).read_text().strip()} for name in ("ada", "bo", "cy", BOT)}
    (folder / "people.json").write_bytes(orjson.dumps(people))
    process = _spawn(
        ["-m", "reconciler.demo.forge", "--bare", str(organisation.folder / "models.git"), "--state-dir", str(folder),
         "--people", str(folder / "people.json"), "--name", PROJECT, "--port", str(port),
         "--webhook", f"http://{web}/webhooks/{organisation.repository}",
         "--webhook-secret-file", str(organisation.webhook)],
        log,
    )  # fmt: skip
    _wait_for(folder / "address", process, "the forge")
    return process


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(file: Path, process: subprocess.Popen[bytes], what: str) -> None:
    """Wait until a process has written that it is there."""
    deadline = time.monotonic() + _START
    while not file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise Unreachable(f"{what} did not come up; see demo.log in the demo's folder")
        time.sleep(_LOOK)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _copy(kubeconfig: Path, to: Path) -> None:
    try:
        shutil.copy(kubeconfig, to)
    except OSError as error:
        raise Misused(f"the kubeconfig {kubeconfig} cannot be read: {error.strerror}") from None


def _prepare(stage: Stage, cluster: str) -> None:
    """Wait for a cluster, install what it needs, and make the namespaces: what a platform team does once."""
    connection = stage.connections[cluster]
    stage.wait(f"cluster {cluster} answers", lambda: bool(connection.request("GET", "/readyz")), seconds=_START)
    stage.command("install", "--kubeconfig", str(stage.organisation.kubeconfig), "--context", cluster, "--apply")
    for name in NAMESPACES:
        with contextlib.suppress(Conflict):  # it is there
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            stage.ask(cluster, "POST", "/api/v1/namespaces", body)


def _serve(folder: Path, log: IO[bytes], pace: float, clusters: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start the embedded clusters and wait for their kubeconfig."""
    folder.mkdir()
    names = ",".join(clusters)
    process = _spawn(
        ["-m", "reconciler.demo.api", "--state-dir", str(folder), "--clusters", names, "--pace", str(pace)], log
    )
    _wait_for(folder / "kubeconfig", process, "the embedded clusters")
    return process


def _spawn(arguments: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    """A process of ours in a session of its own, so that it outlives this one if it must."""
    return subprocess.Popen(
        [sys.executable, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
