"""Deletions, and everything that cannot be read, while the daemon runs: no object of a cluster is deleted for it."""

import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest
from attack_stage import RUNTIME, back_to, change, signature
from stage_lab import Lab, lab, settle

from reconciler.demo.story import PROD
from reconciler.digest import sha256_of
from reconciler.loop.apart import config_removal_path
from reconciler.model.state import Apply
from reconciler.trust.statement import ConfigRemovalStatement

CLUSTER = "clusters/us-1.yaml"
HOLD = "holds/incident.yaml"
HOLD_TEXT = """\
apiVersion: reconciler.dev/v1alpha1
kind: Hold
metadata: {name: incident}
spec: {selector: {environments: [prod]}, reason: incident 4711, releasedBy: owner}
"""


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("deletions") / "acme") as made:
        yield made
        assert "Traceback" not in made.log()


@pytest.fixture
def untouched(acme: Lab) -> Iterator[None]:
    """Every object of every cluster is the same afterwards, every target is told to run, and drift is repaired."""
    before, good = acme.running(), acme.git("rev-parse", "HEAD")
    yield
    settle(0.4)  # two passes of the prune, if there were any
    assert acme.running() == before
    assert {told.apply for told in acme.status().directives.values()} == {Apply.RUN}
    acme.repairs()
    back_to(acme, good)
    head = acme.git("rev-parse", "HEAD")
    acme.wait("the trunk is read again", lambda: acme.repository()["revision"] == head)
    acme.wait("nothing is held", lambda: not acme.status().gates)
    acme.serves("1.3.0")


def merged(acme: Lab, message: str) -> None:
    """Commit, and wait until it was read."""
    head = acme.commit(message)
    acme.wait("it is read", lambda: acme.repository()["revision"] == head)


@pytest.mark.slow
@pytest.mark.usefixtures("untouched")
def test_the_file_of_a_release_deleted_prunes_nothing_without_a_signed_removal(acme):
    acme.git("rm", "-q", PROD, f"{PROD}.sig")
    merged(acme, "gone")
    acme.wait("it is held", lambda: "RemovalNotSigned" in acme.reasons())


@pytest.mark.slow
@pytest.mark.usefixtures("untouched")
def test_a_cluster_that_leaves_the_selector_prunes_nothing_without_a_signed_removal(acme):
    change(acme, PROD, lambda text: text.replace("{matchLabels: {tier: prod}}", "{matchLabels: {region: eu}}"), by="bo")
    merged(acme, "only Europe")
    acme.wait("it is held", lambda: "RemovalNotSigned" in acme.reasons())


@pytest.mark.slow
@pytest.mark.usefixtures("untouched")
def test_a_cluster_document_deleted_prunes_nothing_without_a_signed_removal(acme):
    acme.git("rm", "-q", CLUSTER, f"{CLUSTER}.sig")
    merged(acme, "no us-1")
    acme.wait("it is named", lambda: f"Cluster us-1 is gone from {CLUSTER} without a signed removal" in acme.reasons())


@pytest.mark.slow
@pytest.mark.usefixtures("untouched")
def test_the_whole_path_empty_prunes_nothing(acme):
    acme.git("rm", "-rq", ".")
    acme.commit("gone")
    acme.wait("it is named", lambda: acme.condition("Synced")["reason"] == "PathMissing")


@pytest.mark.slow
def test_a_hold_removed_without_its_roles_signature_stays_in_force_while_running(acme):
    good = acme.git("rev-parse", "HEAD")
    (acme.work / HOLD).parent.mkdir(exist_ok=True)
    (acme.work / HOLD).write_text(HOLD_TEXT)
    merged(acme, "stop")
    held = acme.git("rev-parse", "HEAD")
    past = HOLD_TEXT.replace("reason", "until: 2026-01-01T00:00:00Z, reason")
    for text in ("", past, HOLD_TEXT.replace("prod", "dev")):
        if text:
            (acme.work / HOLD).write_text(text)
        else:
            acme.git("rm", "-q", HOLD)
        acme.release("1.4.0")
        head = acme.git("rev-parse", "HEAD")
        acme.wait("it is read", lambda head=head: acme.repository()["revision"] == head)
        acme.wait("it is held", lambda: "OnHold" in acme.reasons())
        assert acme.status().candidate is None
        back_to(acme, held)
    assert acme.status().stable.model_version == "1.3.0"
    acme.git("rm", "-q", HOLD)
    ends_as(acme, "ada")
    merged(acme, "Ada has not the role owner")
    settle(0.5)
    assert HOLD in acme.repository()["accepted"]
    ends_as(acme, "bo")
    merged(acme, "Bo has")
    acme.wait("it has ended", lambda: HOLD not in acme.repository()["accepted"])
    back_to(acme, good)


def ends_as(acme: Lab, who: str) -> None:
    """Somebody signs that the Hold ends."""
    digest = sha256_of(HOLD_TEXT.encode()).removeprefix("sha256:")
    said = ConfigRemovalStatement(repository=acme.organisation.repository, path=HOLD, sha256=digest)
    file = acme.work / config_removal_path(HOLD)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(signature(acme, said, who))


# --- what cannot be read


def every(acme: Lab, suffix: str, edit: Callable[[bytes], bytes]) -> None:
    for file in acme.work.rglob(f"*{suffix}"):
        file.write_bytes(edit(file.read_bytes()))


def synced(acme: Lab, reason: str = "") -> bool:
    """The trunk is not read, for this reason."""
    row = acme.condition("Synced")
    return row["status"] == "False" and reason in row["reason"]


def unreachable(acme: Lab) -> Callable[[], bool]:
    acme.origin.rename(acme.folder / "away.git")
    return lambda: synced(acme, "FetchFailed")


def parse_error(acme: Lab) -> Callable[[], bool]:
    every(acme, ".yaml", lambda data: data + b"\n  : [\n")
    acme.commit("rubbish")
    return lambda: "Held=True Invalid" in acme.reasons()


def verify_error(acme: Lab) -> Callable[[], bool]:
    every(acme, ".sig", lambda data: data.replace(b"U1NIU0lH", b"U1NIU0lI"))
    acme.commit("no signature can be read")
    return lambda: "Held=True NotVerified" in acme.reasons()


def render_error(acme: Lab) -> Callable[[], bool]:
    change(acme, RUNTIME, lambda text: text.replace("formats: [onnx]", "formats: [pmml]"), by="bo")
    acme.commit("a runtime that does not fit any more")
    return lambda: "Held=True Invalid" in acme.reasons()


def answers(status: int) -> Callable[[Lab], Callable[[], bool]]:
    def breaks(acme: Lab) -> Callable[[], bool]:
        faults = acme.server.clusters["us-1"].faults
        faults.matches = lambda request: request.method != "GET" or "watch" not in request.path
        faults.status, faults.remaining = status, 10_000
        acme.stage.kill_daemon()
        acme.stage.start_daemon()
        return lambda: faults.remaining < 10_000

    return breaks


def shallow(acme: Lab) -> Callable[[], bool]:
    acme.stage.kill_daemon()  # it must not see the commit before the clone
    acme.release("1.4.0", auc=0.91)
    acme.origin.rename(acme.folder / "away.git")
    url = (acme.folder / "away.git").as_uri()
    acme.git("clone", "-q", "--bare", "--depth=1", url, str(acme.origin), at=acme.folder)
    acme.stage.start_daemon()
    return lambda: synced(acme, "Fetch")


def partial(acme: Lab) -> Callable[[], bool]:
    """A partial clone: it lacks blobs, and would run a program of its own to fetch them."""
    acme.stage.kill_daemon()
    (acme.work / "new.yaml").write_text("new: file\n")
    acme.commit("something new")
    acme.git("config", "uploadpack.allowFilter", "true", at=acme.origin)
    acme.origin.rename(acme.folder / "away.git")
    url = (acme.folder / "away.git").as_uri()
    acme.git("clone", "-q", "--bare", "--filter=blob:none", url, str(acme.origin), at=acme.folder)
    acme.git("config", "remote.origin.uploadpack", f"touch {acme.folder}/ran; git-upload-pack", at=acme.origin)
    acme.stage.start_daemon()
    return lambda: synced(acme, "Fetch")


def moved_back(acme: Lab) -> Callable[[], bool]:
    acme.git("commit", "-q", "--allow-empty", "-m", "one more")
    acme.git("push", "-q", "origin", "HEAD:main")
    head = acme.git("rev-parse", "HEAD")
    acme.wait("it is read", lambda: acme.repository()["revision"] == head)
    acme.git("update-ref", "refs/heads/main", f"{head}~1", at=acme.origin)
    return lambda: synced(acme, "TrunkRewritten")


def unrelated(acme: Lab) -> Callable[[], bool]:
    orphan = acme.git("commit-tree", "-m", "other", "main^{tree}", at=acme.origin)
    acme.git("update-ref", "refs/heads/main", orphan, at=acme.origin)
    return lambda: synced(acme, "TrunkRewritten")


def deleted(acme: Lab) -> Callable[[], bool]:
    acme.git("update-ref", "-d", "refs/heads/main", at=acme.origin)
    return lambda: synced(acme, "BranchMissing")


def renamed(acme: Lab) -> Callable[[], bool]:
    acme.git("branch", "-m", "main", "trunk", at=acme.origin)
    return lambda: synced(acme, "BranchMissing")


def state_garbled(acme: Lab) -> Callable[[], bool]:
    kubeconfig = acme.organisation.kubeconfig
    kubeconfig.with_suffix(".away").write_bytes(kubeconfig.read_bytes())
    kubeconfig.write_text("apiVersion: v1\nkind: Config\ncurrent-context: eu-1\n")
    return lambda: True


BREAKS: dict[str, Callable[[Lab], Callable[[], bool]]] = {
    "fetch": unreachable, "parse": parse_error, "verify": verify_error, "render": render_error,
    "auth 401": answers(401), "auth 403": answers(403), "read 500": answers(500), "kubeconfig": state_garbled,
    "a shallow clone": shallow, "a partial clone": partial, "a branch moved back": moved_back,
    "unrelated history": unrelated, "a branch deleted": deleted, "a branch renamed": renamed,
}  # fmt: skip


def repair(acme: Lab, head: str) -> None:
    """The remote, the clusters and the files outside Git as they were."""
    acme.server.clusters["us-1"].faults.clear()
    kept = acme.organisation.kubeconfig.with_suffix(".away")
    if kept.exists():
        kept.replace(acme.organisation.kubeconfig)
    if (acme.folder / "away.git").exists():
        shutil.rmtree(acme.origin, ignore_errors=True)
        (acme.folder / "away.git").rename(acme.origin)
    if acme.git("rev-parse", "HEAD") == head:
        subprocess.run(["git", "-C", acme.origin, "update-ref", "refs/heads/main", head], check=True)


@pytest.mark.slow
@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("breaks", BREAKS)
def test_missing_information_is_never_a_deletion_on_an_error_of(acme, breaks):
    seen = BREAKS[breaks](acme)
    head = acme.git("rev-parse", "HEAD")
    try:
        acme.wait("it is seen", seen)
        settle(0.2)
    finally:
        repair(acme, head)
    assert not (acme.folder / "ran").exists()
