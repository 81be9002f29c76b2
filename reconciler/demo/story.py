"""The story that the demo tells: steps, each with what people do and what is checked afterwards.

Every check looks at the clusters or at Git, never at what the daemon says of itself alone. The same story is a test on
the embedded clusters and on real ones.
"""

import shutil
from datetime import UTC, datetime

from reconciler.demo import pulling
from reconciler.demo.plot import NAMESPACE, PROD, STAGING, Step, edit, held, pods, runs, serves
from reconciler.demo.stage import CLUSTERS, Stage
from reconciler.errors import Refused
from reconciler.model.state import Phase

CHURN = "releases/staging/churn-scorer.yaml"
ENVIRONMENT = "environments/prod.yaml"
_FREEZE = """\
  windows:
    timeZone: Europe/Berlin
    deny: [{{cron: "0 0 {day} {month} *", duration: 3d, reason: stock-taking}}]
"""
_APPROVALS = "  approvals: {rules: [{role: risk, count: 1}]}\n"
_MERGE = "application/merge-patch+json"


def first_release(stage: Stage) -> str:
    """Start the daemon on a signed repository."""
    stage.start_daemon()
    seconds = stage.wait(
        "all six releases are Promoted",
        lambda: [row.phase for row in stage.statuses().values()] == [Phase.PROMOTED] * 6,
        telling="prod/fraud-detector",
    )
    stage.wait("1.3.0 serves in production", lambda: serves(stage, "1.3.0"))
    return f"six releases are Promoted; fraud-detector 1.3.0 is Healthy on eu-1 and us-1 ({seconds:.1f} s)"


def update(stage: Stage) -> str:
    """A signed change of version and digest is merged."""
    edit(stage, PROD, version="1.4.0", auc=0.957, who="bo", message="Promote fraud-detector 1.4.0 to prod")
    seconds = stage.wait("1.4.0 serves in production", lambda: serves(stage, "1.4.0"), telling="prod/fraud-detector")
    return f"1.4.0 replaced 1.3.0 pod by pod on both clusters; 1.3.0 is kept at zero ({seconds:.1f} s)"


def unsigned(stage: Stage) -> str:
    """A change that nobody signed is merged."""
    edit(stage, STAGING, version="1.4.1", auc=0.96, who="ada", message="Try 1.4.1 in staging", sign=False)
    stage.wait("the unsigned change is held", lambda: bool(held(stage, "staging", "Signature")))
    sentence = held(stage, "staging", "Signature")
    found = pods(stage, CLUSTERS[0], "fraud-staging")
    if {pod["metadata"]["annotations"]["reconciler.dev/model-version"] for pod in found} != {"1.3.0"}:
        raise Refused("an unsigned change was released")
    _take_back(stage, "ada")
    return f"Held, and 1.3.0 keeps serving in staging: {sentence}"


def denied(stage: Stage) -> str:
    """A signed model that is worse than what runs is merged."""
    edit(stage, PROD, version="1.5.0", auc=0.91, who="bo", message="Promote fraud-detector 1.5.0 to prod")
    stage.wait("the worse model is denied", lambda: bool(held(stage, "prod", "Policy")))
    if not runs(stage, "1.4.0"):
        raise Refused("a denied model was released")
    return f"Held, and 1.4.0 keeps serving: {held(stage, 'prod', 'Policy')}"


def _take_back(stage: Stage, who: str) -> None:
    """The last commit is reverted by the person who made it."""
    people = stage.organisation
    people.checkout.revert(people.checkout.head(), people.person(who).actor)
    people.checkout.push()


def drift(stage: Stage) -> str:
    """Somebody changes the cluster by hand while the trunk asks for something that is held."""
    path = f"/api/v1/namespaces/{NAMESPACE}/services/fraud-detector"
    before = stage.ask("us-1", "GET", path)["spec"]["selector"]
    stage.ask("us-1", "PATCH", path, {"spec": {"selector": {"reconciler.dev/release": "somebody-else"}}}, kind=_MERGE)
    patched = stage.wait(
        "the selector is repaired", lambda: stage.ask("us-1", "GET", path)["spec"]["selector"] == before
    )
    uid = stage.ask("us-1", "GET", path)["metadata"]["uid"]
    stage.ask("us-1", "DELETE", path)
    made = stage.wait("the Service is there again", lambda: stage.ask("us-1", "GET", path)["metadata"]["uid"] != uid)
    return f"a changed Service was repaired in {patched:.2f} s, a deleted one was back in {made:.2f} s"


def revert(stage: Stage) -> str:
    """A revert in Git brings the version before back, without a new signature."""
    _take_back(stage, "bo")  # 1.5.0, which was denied
    edit(stage, PROD, version="1.5.1", auc=0.96, who="bo", message="Promote fraud-detector 1.5.1 to prod")
    stage.wait("1.5.1 serves in production", lambda: serves(stage, "1.5.1"), telling="prod/fraud-detector")
    _take_back(stage, "bo")
    seconds = stage.wait("1.4.0 serves again", lambda: serves(stage, "1.4.0"), telling="prod/fraud-detector")
    return f"git revert + push: 1.4.0 returned with its old signature, past every gate ({seconds:.1f} s)"


def freeze(stage: Stage) -> str:
    """A freeze is merged, and then a change; the change is held and taken back, and the freeze ends."""
    people = stage.organisation
    platform = people.person("bo")
    file = people.checkout.top / ENVIRONMENT
    before = file.read_text()
    today = datetime.now(UTC)
    file.write_text(before + _FREEZE.format(day=today.day, month=today.month))
    people.sign(ENVIRONMENT, platform)
    people.commit("Freeze production", platform)
    merged = edit(stage, PROD, version="1.4.2", auc=0.958, who="bo", message="Promote fraud-detector 1.4.2 to prod")
    stage.wait("the change is held", lambda: bool(held(stage, "prod", "Freeze")))
    sentence = held(stage, "prod", "Freeze")
    if not runs(stage, "1.4.0"):
        raise Refused("a change was released in a freeze")
    people.checkout.revert(merged, platform.actor)  # type: ignore[arg-type]  # what commit returned
    file.write_text(before)
    people.sign(ENVIRONMENT, platform)
    people.commit("End the freeze", platform)
    stage.wait("nothing is held any more", lambda: not stage.status("prod", "fraud-detector").gates)
    return f"Held, and 1.4.0 keeps serving: {sentence}"


def restart(stage: Stage) -> str:
    """SIGKILL in the middle of a rollout, then a new start."""
    edit(stage, PROD, version="1.6.0", auc=0.962, who="bo", message="Promote fraud-detector 1.6.0 to prod")
    stage.wait(
        "the rollout of 1.6.0 is under way", lambda: stage.status("prod", "fraud-detector").candidate is not None
    )
    stage.kill_daemon()
    phase = stage.status("prod", "fraud-detector").phase
    stage.start_daemon()
    seconds = stage.wait("1.6.0 serves in production", lambda: serves(stage, "1.6.0"), telling="prod/fraud-detector")
    return f"kill -9 in phase {phase}; the new daemon finished the rollout ({seconds:.1f} s)"


def approval(stage: Stage) -> str:
    """Production asks for a yes of risk: a signed change waits for it, and the signer cannot give it."""
    people = stage.organisation
    file = people.checkout.top / ENVIRONMENT
    file.write_text(file.read_text() + _APPROVALS)
    people.sign(ENVIRONMENT, people.person("bo"))
    people.commit("Ask risk before production", people.person("bo"))
    edit(stage, PROD, version="1.7.0", auc=0.963, who="bo", message="Promote fraud-detector 1.7.0 to prod")
    stage.wait("the change waits for its approval", lambda: bool(held(stage, "prod", "Approval")))
    sentence = held(stage, "prod", "Approval")
    if not runs(stage, "1.6.0"):
        raise Refused("a change was released without its approval")
    stage.types("cy", "approve", PROD)
    people.commit("Approve fraud-detector 1.7.0", people.person("cy"))
    seconds = stage.wait("1.7.0 serves in production", lambda: serves(stage, "1.7.0"), telling="prod/fraud-detector")
    return f"Held: {sentence}. Cy signed an approval, and 1.7.0 went out ({seconds:.1f} s)"


def removal(stage: Stage) -> str:
    """A file that is deleted ends nothing; a removal that is signed does."""
    people = stage.organisation
    for path in (CHURN, f"{CHURN}.sig"):
        (people.checkout.top / path).unlink()
    people.commit("Delete churn-scorer", people.person("ada"))
    stage.wait("the deletion is held", lambda: bool(held(stage, "staging", "Removal", "churn-scorer")))
    if not pods(stage, CLUSTERS[0], "churn-staging"):
        raise Refused("a deleted file ended a release")
    number = pulling.opened(stage.types("bo", "remove", "churn-scorer", "--env", "staging"))
    stage.told_well(number, "staging")
    pulling.merge(stage, number, who="bo")
    seconds = stage.wait("churn-scorer has ended", lambda: ("staging", "churn-scorer") not in stage.statuses())
    left = stage.ask(CLUSTERS[0], "GET", "/apis/apps/v1/namespaces/churn-staging/deployments")["items"]
    if left:
        raise Refused("something of an ended release is left")
    how = f"once Bo's pull request #{number} with the signed removal was merged, all of it was deleted"
    return f"Deleting the file ended nothing; {how} ({seconds:.1f} s)"


def rebuild(stage: Stage) -> str:
    """Everything but Git and the running targets is lost: the disk, and the release state on the home cluster."""
    stage.stop_daemon()
    before = _uids(stage)
    shutil.rmtree(stage.organisation.data)
    for kind in ("releasestates", "repositorystates"):
        stage.ask(CLUSTERS[0], "DELETE", f"/apis/reconciler.dev/v1alpha1/namespaces/reconciler-system/{kind}")
    stage.start_daemon()
    seconds = stage.wait("1.7.0 is known as stable again", lambda: serves(stage, "1.7.0"))
    if _uids(stage) != before:
        raise Refused("rebuilding the state touched running pods")
    history = ", ".join(row.model_version for row in stage.status("prod", "fraud-detector").history[:3])
    rebuilt = f"state rebuilt from TargetStates and ledger, no pod touched ({seconds:.1f} s)"
    return f"{rebuilt}; history, newest first: {history}"


def rewrite(stage: Stage) -> str:
    """Somebody force-pushes a history without the last release; nothing follows it until an owner accepts it."""
    people = stage.organisation
    lost = edit(stage, PROD, version="1.8.0", auc=0.965, who="bo", message="Promote fraud-detector 1.8.0 to prod")
    stage.types("cy", "approve", PROD)
    people.commit("Approve fraud-detector 1.8.0", people.person("cy"))
    stage.wait("1.8.0 serves in production", lambda: serves(stage, "1.8.0"), telling="prod/fraud-detector")
    head = people.force_push(f"{lost}~1")
    stage.wait("the rewritten trunk is seen", lambda: stage.repository_condition("Synced").reason == "TrunkRewritten")
    sentence = stage.repository_condition("Synced").message
    if not runs(stage, "1.8.0"):
        raise Refused("a rewritten trunk was followed")
    stage.types("bo", "trunk", "accept", head, "--config", str(people.settings))
    stage.wait("the trunk is followed again", lambda: stage.repository_condition("Synced").status == "True")
    seconds = stage.wait("1.7.0 serves again", lambda: serves(stage, "1.7.0"), telling="prod/fraud-detector")
    return f"Held: {sentence}. Bo signed the step, and 1.7.0, which is what it asks for, returned ({seconds:.1f} s)"


def _uids(stage: Stage) -> set[str]:
    return {pod["metadata"]["uid"] for cluster in CLUSTERS for pod in pods(stage, cluster)}


STORY: tuple[Step, ...] = (
    Step(title="First release", words="A signed repository, a daemon, two clusters.", play=first_release),
    Step(title="Update", words="Bo merges a signed change: fraud-detector 1.4.0 for production.", play=update),
    Step(
        title="Unsigned change refused",
        words="Ada merges 1.4.1 to staging, forgets to sign, and takes it back.",
        play=unsigned,
    ),
    Step(title="Policy denies", words="Bo merges 1.5.0, which scores worse than what runs.", play=denied),
    Step(title="Drift repaired", words="Somebody edits and deletes a Service with kubectl.", play=drift),
    Step(title="Revert", words="1.5.1 goes out, and is reverted in Git.", play=revert),
    Step(title="Freeze", words="Bo freezes production, and then merges 1.4.2.", play=freeze),
    Step(title="Crash", words="The daemon is killed in the middle of a rollout.", play=restart),
    Step(title="Approval", words="Production asks for risk's yes, and Bo merges 1.7.0.", play=approval),
    Step(title="Removal", words="Ada deletes churn-scorer's file; later Bo signs its removal.", play=removal),
    Step(title="Start again with nothing", words="The daemon's disk and its state objects are deleted.", play=rebuild),
    Step(title="Trunk rewritten", words="Somebody force-pushes main without the last release.", play=rewrite),
    *pulling.CHAPTERS,
)
