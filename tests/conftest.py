"""The API servers that tests run against: the embedded one, and a real control plane when there is one.

What is not here: fixtures of one room. Rules: a server is started when the first test asks for it, once per session,
and ended with it; a test makes its own namespace and leaves it; a missing real server skips with one line, or fails
where RECONCILER_REQUIRE_CONTROLPLANE=1 says that it must be there.
"""

import base64
import os
import re
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import hypothesis
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))

from api_server import ApiServer, Kubeconfig

# No deadlines: a shared machine is slow at times. CI plays the same examples every time; new ones are found elsewhere.
hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "here")

BINARIES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kwok")
SCRIPTS = Path(__file__).parent / "controlplane"
KEY = re.compile(r"[A-Za-z0-9+/]{24}")
ABSENT = "real kube-apiserver: set KUBEBUILDER_ASSETS (make controlplane) or give --kubeconfig"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kubeconfig", metavar="FILE", help="run the tests that need a real cluster on this one")
    parser.addoption("--seeds", type=int, default=3, metavar="N", help="how many random worlds tests/world plays")
    parser.addoption("--first-seed", type=int, default=0, metavar="N", help="the first of them")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Two processes that share the tests have to call them the same: a key that was just made is no name."""
    text = val.decode("latin-1") if isinstance(val, bytes) else val
    return argname if isinstance(text, str) and KEY.search(text) else None


def pytest_report_header() -> str:
    """What orders sets in this run."""
    return f"PYTHONHASHSEED={os.environ.get('PYTHONHASHSEED', 'random')}"


def assets() -> Path | None:
    """The folder with the control plane's binaries, or None when they are not all there."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get("KUBEBUILDER_ASSETS") or cache / "reconciler" / "controlplane")
    return folder if all((folder / name).is_file() for name in BINARIES) else None


@pytest.fixture(scope="session")
def control_plane(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A real kube-apiserver with its controllers and hollow nodes, or the cluster of --kubeconfig."""
    given, binaries = pytestconfig.getoption("--kubeconfig"), assets()
    folder = tmp_path_factory.mktemp("controlplane")
    if given:
        yield from serving("real", Path(given).resolve(), folder)
    elif binaries:
        yield from started(binaries, folder)
    elif os.environ.get("RECONCILER_REQUIRE_CONTROLPLANE") == "1":
        pytest.fail(ABSENT, pytrace=False)
    else:
        pytest.skip(ABSENT)


def started(binaries: Path, folder: Path) -> Iterator[ApiServer]:
    """A control plane of our own; it ends also when this process is killed."""
    environment = {**os.environ, "KUBEBUILDER_ASSETS": str(binaries), "OWNER": str(os.getpid())}
    data = folder / "data"
    subprocess.run([SCRIPTS / "start.sh", data], check=True, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield from serving("real", data / "kubeconfig", folder)
    finally:
        subprocess.run([SCRIPTS / "stop.sh", data], check=True)


def serving(name: str, kubeconfig: Path, private: Path) -> Iterator[ApiServer]:
    server = ApiServer(name, Kubeconfig.load(kubeconfig, private))
    yield server
    server.close()


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An embedded cluster in this process, as the demo has it."""
    from reconciler.demo.api import Cluster, serve

    folder = tmp_path_factory.mktemp("embedded")
    with serve([Cluster("embedded")]) as server:
        server.write_kubeconfig(folder / "kubeconfig")
        yield from serving("embedded", folder / "kubeconfig", folder)


@pytest.fixture(
    scope="session", params=["embedded", pytest.param("real", marks=pytest.mark.controlplane)], ids=lambda name: name
)
def api_server(request: pytest.FixtureRequest) -> ApiServer:
    """Each test that asks for it runs twice: on the embedded server and on a real one."""
    return request.getfixturevalue({"embedded": "embedded", "real": "control_plane"}[request.param])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """All tests skipped for want of a real server share a place, so that the summary says it in one line."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple) and report.longrepr[2].endswith(ABSENT):
        report.longrepr = (__file__, 1, report.longrepr[2])
    return report


@pytest.fixture
def two_control_planes(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Path]]:
    """Starts two fresh control planes; gives the path of one kubeconfig with the contexts eu-1 and us-1."""
    running: list[Path] = []

    def start() -> Path:
        binaries = assets()
        if binaries is None or pytestconfig.getoption("--kubeconfig"):
            if os.environ.get("RECONCILER_REQUIRE_CONTROLPLANE") == "1":
                pytest.fail(ABSENT, pytrace=False)
            pytest.skip(ABSENT)
        folder = tmp_path_factory.mktemp("two")
        environment = {**os.environ, "KUBEBUILDER_ASSETS": str(binaries), "OWNER": str(os.getpid())}
        for name in ("eu-1", "us-1"):
            running.append(folder / name)
            subprocess.run(
                [SCRIPTS / "start.sh", folder / name], check=True, env=environment, stdout=subprocess.DEVNULL
            )
        return merged_kubeconfig(folder / "kubeconfig", {path.name: path / "kubeconfig" for path in running})

    yield start
    for data in running:
        subprocess.run([SCRIPTS / "stop.sh", data], check=True)


def merged_kubeconfig(path: Path, sources: dict[str, Path]) -> Path:
    """One kubeconfig with a context per source, certificates inlined."""
    merged = {"apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": []}
    for name, source in sources.items():
        data = yaml.safe_load(source.read_text())
        cluster = data["clusters"][0]["cluster"]
        authority = base64.b64encode(Path(cluster["certificate-authority"]).read_bytes()).decode()
        merged["clusters"].append(
            {"name": name, "cluster": {"server": cluster["server"], "certificate-authority-data": authority}}
        )
        merged["users"].append({"name": name, "user": {"token": data["users"][0]["user"]["token"]}})
        merged["contexts"].append({"name": name, "context": {"cluster": name, "user": name}})
    merged["current-context"] = next(iter(sources))
    path.write_text(yaml.safe_dump(merged))
    return path
