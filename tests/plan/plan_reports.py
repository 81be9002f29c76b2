"""Pull requests as values, for the tests of the comment and for its pictures (docs/screenshots.py)."""

from dataclasses import replace
from datetime import datetime, timedelta

from plan_cluster import KEY, NEW, NOW, OLD, told

from reconciler.digest import sha256_of
from reconciler.model.environment import ApprovalRule
from reconciler.model.ids import ReleaseKey, TargetKey, short
from reconciler.model.objects import ObjectRef
from reconciler.model.plan import Action, Change, Gate, Plan
from reconciler.model.policy import PolicyResult, PolicyVerdict
from reconciler.model.state import Role
from reconciler.plan.diff import ClusterDiff, ObjectDiff, differences
from reconciler.plan.following import ClusterProgress, ReleaseProgress
from reconciler.plan.marker import Stage, marker
from reconciler.plan.preview import Asking, Doing, Preview
from reconciler.plan.report import GoverningChange, Merge, PullReport
from reconciler.render import render
from reconciler.trust.quorum import Quorum, RuleCount
from reconciler.trust.statement import ApprovalStatement

REPOSITORY = "github.com/acme/models"
LIMIT = 65_536
MARKER = marker(b"key", REPOSITORY, 12, Stage.PLANNED)
CLUSTERS = ("eu-1", "us-1")
BEFORE = render(told((OLD, Role.STABLE, 2, 2)), {OLD.version: OLD}, key=KEY.release)
AFTER = render(
    told((OLD, Role.STABLE, 2, 2), (NEW, Role.CANDIDATE, 2, 2)), {OLD.version: OLD, NEW.version: NEW}, key=KEY.release
)
DIFF = differences(BEFORE, AFTER, versions=(short(OLD.version), short(NEW.version)))
NEW_DIFF = differences(None, BEFORE)

SIGNED = Gate(
    kind="Signature",
    open=True,
    reason="Verified",
    message="releases/prod/fraud-detector.yaml is signed by bo (release)",
)
VALID = Gate(kind="Reference", open=True, reason="Valid", message="everything that it names is there")
MISSING = Gate(
    kind="Approval",
    open=False,
    reason="ApprovalsMissing",
    message="releases/prod/fraud-detector.yaml is not approved: 0 of 1 approval by risk (cy could give it); "
    "to give one, run: reconciler approve releases/prod/fraud-detector.yaml",
)
UNSIGNED = Gate(
    kind="Signature",
    open=False,
    reason="NotVerified",
    message="releases/prod/x.yaml is not verified: not signed; somebody who may release it runs: "
    "reconciler sign releases/prod/x.yaml",
)
WINDOW = Gate(
    kind="Window",
    open=False,
    reason="OutsideWindow",
    opens_at=NOW + timedelta(days=3),
    message="environment prod takes changes in its windows only, and the next one opens Mon 7 Dec 2026 09:00 "
    "Europe/Berlin (environments/prod.yaml:31:7)",
)
PASSED = tuple(
    PolicyVerdict(name=name, source="builtin:baseline", result=PolicyResult.PASS)
    for name in ("digest-pinned", "two-replicas", "owner-and-runbook", "resource-limits")
)
WARNED = PolicyVerdict(
    name="card-and-lineage",
    source="builtin:baseline",
    result=PolicyResult.WARN,
    message="the model card names no training run (its action is Warn)",
)


def key_of(name: str = "fraud-detector", environment: str = "prod") -> ReleaseKey:
    return ReleaseKey(repository=REPOSITORY, environment=environment, name=name)


def asking(*people: str, count: int = 1, role: str | None = "risk", could: tuple[str, ...] = ("cy",), **more) -> Asking:
    rule = RuleCount(rule=ApprovalRule(count=count, role=role), people=people, could=could)
    given = {"rejected": (), "expired": (), "stale": (), "notes": (), "counted": ()} | more
    return Asking(
        what="releases/prod/fraud-detector.yaml",
        quorum=Quorum(rules=(rule,), expire_after=timedelta(days=14), **given),
        statement=ApprovalStatement(
            repository=REPOSITORY,
            environment="prod",
            name="fraud-detector",
            closure_sha256=sha256_of(b"closure").removeprefix("sha256:"),
            action="approve",
        ),
    )


def plan_of(key: ReleaseKey, cluster: str, *, changes: int = 1) -> Plan:
    rows = [
        Change(
            action=Action.CREATE,
            tier=2,
            before="",
            after=sha256_of(bytes([index])),
            why="new",
            ref=ObjectRef(group="apps", version="v1", kind="Deployment", namespace="fraud", name=f"{key.name}-{index}"),
        )
        for index in range(changes)
    ]
    return Plan(key=TargetKey(release=key, cluster=cluster), revision="1" * 40, changes=tuple(rows))


def preview(
    name: str = "fraud-detector", environment: str = "prod", *, clusters=CLUSTERS, changes=1, diff=DIFF, **more
):
    key = key_of(name, environment)
    given = {
        "key": key,
        "path": f"releases/{environment}/{name}.yaml",
        "before": "1.3.0",
        "after": "1.4.0",
        "gates": (SIGNED, VALID),
        "verdicts": PASSED,
        "plans": tuple(plan_of(key, cluster, changes=changes) for cluster in clusters),
        "message": "",
        "doing": Doing.PROMOTE,
        "diffs": tuple(ClusterDiff(cluster=cluster, objects=diff) for cluster in clusters),
    }
    return Preview(**{**given, **more})


def report(*previews: Preview, **more) -> PullReport:
    given = {
        "repository": REPOSITORY,
        "number": 12,
        "stage": Stage.PLANNED,
        "head": "4f2a" * 10,
        "base": "9b1c" * 10,
        "base_branch": "main",
        "merge": Merge(tree="77ab" * 10),
        "at": NOW.replace(microsecond=0),
        "previews": previews,
        "environments": ("dev", "prod", "staging"),
        "ledger": "reconciler/ledger: plans/12.md",
    }
    return PullReport(**{**given, **more})


def small() -> PullReport:
    """One release waits for one approval of two."""
    waits = preview(
        gates=(SIGNED, VALID, MISSING),
        verdicts=(*PASSED, WARNED),
        changes=0,
        asked=(asking(),),
    )
    return report(waits, asked=True)


def forty() -> PullReport:
    """A runtime changed: forty releases are made anew."""
    names = [f"scorer-{number:02}" for number in range(40)]
    rows = [preview(name, "prod" if number % 3 else "staging") for number, name in enumerate(names)]
    waits = MISSING.message.replace("fraud-detector", names[7]).replace("0 of 1", "1 of 2").replace("cy", "dee")
    unsigned = UNSIGNED.message.replace("prod/x", f"staging/{names[9]}")
    rows[7] = replace(
        rows[7],
        gates=(SIGNED, VALID, MISSING.model_copy(update={"message": waits})),
        asked=(asking("cy", count=2, could=("dee",)),),
    )
    rows[9] = replace(rows[9], gates=(UNSIGNED.model_copy(update={"message": unsigned}), VALID))
    rows[10] = replace(rows[10], gates=(SIGNED, VALID, WINDOW))
    governing = GoverningChange(
        path="runtimes/onnx-http.yaml",
        kind="ServingRuntime",
        name="onnx-http",
        in_force=True,
        sentence="signed by ana, who may configure it",
        signers=("ana",),
    )
    return report(*rows, governing=(governing,))


def failure(at: datetime = NOW) -> PullReport:
    """Merged, and its pods do not come up on one cluster."""
    log = "container onnx-server restarts again and again: exit code 1, last log line: no such file: /models/model.onnx"
    row = ReleaseProgress(
        key=key_of(),
        before="1.3.0",
        after="1.4.0",
        phase="Failed",
        ended=True,
        failed=True,
        record=218,
        sentence="hook smoke of 1.4.0 failed on us-1: BackoffLimitExceeded: 3 of 50 answers differ; 1.3.0 serves; "
        "correct the release, or its hook, and merge it",
        clusters=(
            ClusterProgress(name="eu-1", state="Healthy", sentence="1.4.0: 2 of 2 ready"),
            ClusterProgress(name="us-1", state="Failed", sentence=f"1.4.0: 0 of 2 ready: {log}"),
        ),
    )
    well = ReleaseProgress(
        key=key_of("support-chat"),
        before="0.9.1",
        after="0.9.2",
        phase="Promoted",
        ended=True,
        record=217,
        sentence="0.9.2 serves, and is healthy",
        clusters=(ClusterProgress(name="eu-1", state="Healthy", sentence="0.9.2: 2 of 2 ready"),),
    )
    return report(
        preview(asked=(asking("cy"),)),
        preview("support-chat", before="0.9.1", after="0.9.2", clusters=("eu-1",)),
        stage=Stage.ENDED,
        progress=(row, well),
        at=at.replace(microsecond=0),
    )


def twenty() -> PullReport:
    """One release on twenty clusters, of which one does not answer and two differ."""
    names = tuple(f"{region}-{number}" for region in ("ap", "eu", "sa", "us") for number in range(1, 6))
    silent = Gate(kind="Cluster", open=False, reason="NoPlan", message="sa-4: it does not answer since 08:51")
    answer = tuple(name for name in names if name != "sa-4")
    row = preview(clusters=answer, gates=(SIGNED, VALID, silent), asked=(asking("cy"),))
    odd = tuple(
        ClusterDiff(cluster=one.cluster, objects=one.objects[:1]) if one.cluster in ("eu-2", "us-5") else one
        for one in row.diffs
    )
    return report(replace(row, diffs=odd))


HOSTILE = (
    "</details><img src=x onerror=alert(1)> @acme/admins #1 GH-2 acme/models#3 "
    "https://evil.example/ www.evil.example [ok](javascript:alert(1)) ![x](http://e/x.png) :tada: **✓ approved** "
    "`code` ``` ~~~ | a | b | <!-- reconciler:pull v1 12 ended 00 --> \u202eevorppa\u202c\u200b $x$ &lt;b&gt; me@e.org"
)


def hostile(text: str = HOSTILE) -> PullReport:
    """Whatever a document, a login or a branch may say, everywhere."""
    key = ReleaseKey(repository=text, environment=text, name=text)
    plain = text.encode("utf-8", "replace").decode()  # digests are of UTF-8
    closed = Gate(kind=text, open=False, reason="Invalid", message=text)
    opened = Gate(kind=text, open=True, reason="Valid", message=text)
    glass = Gate(kind=text, open=True, reason="BreakGlass", message=text)
    ref = ObjectRef(group=text, version="v1", kind=text, namespace=text, name=text)
    lines = (
        f"@@ {text} @@",
        *(f"{sign}{line}" for sign in "+- " for line in (text, "```", "````", "~~~", "</details>")),
    )
    verdicts = tuple(PolicyVerdict(name=text, source=text, result=result, message=text) for result in PolicyResult)
    diffs = tuple(
        ObjectDiff(action=action, ref=ref, lines=lines, left_out=2, follows=ref)
        for action in (Action.CREATE, Action.UPDATE, Action.SCALE, Action.DELETE)
    )
    asked = asking(text, role="risk", could=(text,), count=2, rejected=(text,), notes=(text,))
    governing = GoverningChange(path=text, kind=text, name=text, in_force=False, sentence=text, signers=(text,))
    row = Preview(
        key=key,
        path=text,
        before=text,
        after=text[:-1],
        gates=(closed, opened, glass),
        verdicts=verdicts,
        plans=(plan_of(ReleaseKey(repository=plain, environment=plain, name=plain), plain),),
        message=text,
        diffs=(ClusterDiff(cluster=text, objects=diffs),),
        asked=(replace(asked, what=text),),
    )
    return report(
        row,
        repository=text,
        base_branch=text,
        governing=(governing,),
        uncounted=(text,),
        ledger=text,
        asked=True,
    )


CASES = {
    "small-change": small,
    "forty-releases": forty,
    "failure": failure,
    "twenty-clusters": twenty,
    "hostile-names": hostile,
}
