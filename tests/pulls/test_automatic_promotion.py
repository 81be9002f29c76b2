"""Promotions that the daemon asks for by itself: dev → staging, with a soak of seconds; the daemon is a process."""

from collections.abc import Iterator

import pytest
from pull_lab import PullLab, pull_lab
from stage_lab import run, settle

from reconciler.cli.signing import sign_file
from reconciler.demo.plot import versioned
from reconciler.digest import sha256_of
from reconciler.documents.splice import splice
from reconciler.model.branches import branch_of
from reconciler.model.state import Phase

ENVIRONMENT = "environments/staging.yaml"
DEV = "releases/dev/fraud-detector.yaml"
STAGING = "releases/staging/fraud-detector.yaml"
AUTO = "spec:\n  after: dev\n  soak: 2s\n  promotion: auto\n"
_SECONDS = 30.0


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PullLab]:
    with pull_lab(tmp_path_factory.mktemp("pulls") / "acme") as made:
        yield made
        assert "Traceback" not in made.lab.log()


def asked(acme: PullLab, state: str = "open") -> list[dict]:
    """The pull requests that the daemon opened for staging's fraud-detector, oldest first."""
    rows = acme.ask("eve", "GET", f"pulls?state={state}&sort=created&direction=asc")
    return [row for row in rows if row["user"]["login"] == "reconciler-bot"]


def appears(acme: PullLab, version: str) -> dict:
    """Wait until there is exactly one, for this version."""
    title = f"Promote fraud-detector {version} from dev to staging"
    acme.lab.wait(title, lambda: [row["title"] for row in asked(acme)] == [title], seconds=_SECONDS)
    return asked(acme)[0]


def deploy(acme: PullLab, version: str, auc: float) -> None:
    """Ada releases a version in dev, and it serves there."""
    acme.change(f"dev-{version}", version, path=DEV, auc=auc, who="ada")
    acme.merge(acme.open(f"dev-{version}", who="ada"), who="ada")
    promoted(acme, "dev", version)


def promoted(acme: PullLab, environment: str, version: str) -> None:
    def is_so() -> bool:
        status = acme.lab.status(environment)
        return status.phase is Phase.PROMOTED and status.stable.model_version == version

    acme.lab.wait(f"{version} is Promoted in {environment}", is_so, seconds=_SECONDS)


def sign(acme: PullLab, branch: str, who: str = "ada", *, how: tuple[str, ...] = ("-m", "Sign it")) -> str:
    """Somebody signs what a branch has, by hand, and pushes it."""
    git = acme.lab.git
    git("fetch", "-q", "origin")
    git("checkout", "-q", "-B", branch, f"origin/{branch}")
    sign_file(acme.work, STAGING, repository=acme.people.repository, key=str(acme.people.person(who).key))
    git("add", "-A")
    git("commit", "-q", *how)
    git("push", "-q", "-f", "origin", f"HEAD:refs/heads/{branch}")
    head = git("rev-parse", "HEAD")
    git("checkout", "-q", "main")
    return head


def branches(acme: PullLab) -> list[str]:
    return acme.lab.git(
        "for-each-ref", "--format=%(refname)", "refs/heads/reconciler/promote", at=acme.lab.origin
    ).split()


@pytest.mark.slow
def test_what_serves_well_is_asked_for_signed_by_a_person_merged_and_served(acme):
    acme.push(
        "auto", {ENVIRONMENT: (acme.work / ENVIRONMENT).read_text().replace("spec:\n", AUTO)}, sign=(ENVIRONMENT,)
    )
    acme.merge(acme.open("auto"))
    found = appears(acme, "1.4.0")
    number, branch, head = found["number"], found["head"]["ref"], found["head"]["sha"]
    assert "`1.3.0` → `1.4.0`" in found["body"]
    assert "for its soak of 2s" in found["body"]
    assert "reconciler sign --pr" in found["body"]

    git = acme.lab.git
    git("fetch", "-q", "origin")
    assert git("diff", "--name-only", f"origin/main...{head}") == STAGING, "one file, and no signature"
    assert git("show", "-s", "--format=%an %P", head) == f"reconciler {git('rev-parse', 'origin/main')}"
    assert "BEGIN SSH SIGNATURE" in git("cat-file", "commit", head)
    text = git("show", f"{head}:{STAGING}")
    assert "version: 1.4.0" in text
    assert "replicas: {max: 2}" in text, "what is staging's own stays"

    acme.says(number, "Merging would start nothing")
    assert "not verified" in acme.status(head, "staging", "failure")

    acme.status(sign(acme, branch), "staging", "success")
    acme.merge(number, who="ada")
    promoted(acme, "staging", "1.4.0")
    acme.says(number, "is Promoted")
    acme.lab.recorded()
    told = [row for row in acme.lab.records() if row["kind"] == "Proposed"]
    assert [row["detail"]["pull"]["number"] for row in told] == [number]
    assert told[0]["detail"]["releases"] == ["staging/fraud-detector"]
    where = ("--repository-dir", str(acme.lab.origin), "--trust", str(acme.lab.folder / "trust.yaml"))
    story = run("audit", "show", "staging/fraud-detector", *where)
    assert f"#{number} asks to promote fraud-detector 1.4.0 to staging: healthy in dev since" in story.stdout
    assert f"head {head} on" in story.stdout
    assert "copied from dev/fraud-detector, manifest sha256:" in story.stdout
    assert run("audit", "verify", *where).returncode == 0
    assert asked(acme) == []


@pytest.mark.slow
def test_a_later_version_takes_the_place_of_an_earlier_one_and_a_restart_makes_no_second(acme):
    deploy(acme, "1.5.0", 0.96)
    first = appears(acme, "1.5.0")
    acme.lab.restart()
    acme.says(first["number"], "Merging would start nothing")
    settle(3)
    assert len(asked(acme)) == 1
    deploy(acme, "1.6.0", 0.965)
    second = appears(acme, "1.6.0")
    bodies = [row["body"] for row in acme.comments(first["number"])]
    assert bodies.count(f"Superseded by #{second['number']}.") == 1
    acme.lab.wait("only its branch is left", lambda: f"refs/heads/{first['head']['ref']}" not in branches(acme))
    assert f"refs/heads/{second['head']['ref']}" in branches(acme)


@pytest.mark.slow
def test_the_trunk_moves_below_it_and_the_commit_is_made_anew_until_somebody_pushed(acme):
    found = appears(acme, "1.6.0")
    text = (acme.work / STAGING).read_text()
    acme.push("three", {STAGING: text.replace("replicas: {max: 2}", "replicas: {max: 3}")}, sign=(STAGING,), who="ada")
    acme.merge(acme.open("three", who="ada"), who="ada")
    acme.lab.wait("it is made anew", lambda: asked(acme)[0]["head"]["sha"] != found["head"]["sha"], seconds=_SECONDS)
    again = appears(acme, "1.6.0")
    assert (again["number"], again["head"]["ref"]) == (found["number"], found["head"]["ref"])
    acme.lab.git("fetch", "-q", "origin")
    made = acme.lab.git("show", f"{again['head']['sha']}:{STAGING}")
    assert "replicas: {max: 3}" in made
    assert "version: 1.6.0" in made

    signed = sign(acme, again["head"]["ref"], how=("--amend", "--no-edit"))
    assert acme.lab.git("show", "-s", "--format=%an", signed) == "reconciler", "the author of what was amended stays"
    text = (acme.work / STAGING).read_text()
    acme.push("four", {STAGING: text.replace("replicas: {max: 3}", "replicas: {max: 4}")}, sign=(STAGING,), who="ada")
    acme.merge(acme.open("four", who="ada"), who="ada")
    settle(4)
    assert appears(acme, "1.6.0")["head"]["sha"] == signed, "what people pushed to is theirs"


@pytest.mark.slow
def test_one_that_was_closed_is_not_asked_for_again(acme):
    found = appears(acme, "1.6.0")
    acme.ask("bo", "PATCH", f"pulls/{found['number']}", {"state": "closed"})
    text = (acme.work / STAGING).read_text()
    acme.push("five", {STAGING: text.replace("replicas: {max: 4}", "replicas: {max: 5}")}, sign=(STAGING,), who="ada")
    acme.merge(acme.open("five", who="ada"), who="ada")
    acme.lab.restart()
    settle(5)
    assert asked(acme) == []


@pytest.mark.slow
def test_none_is_opened_beside_what_a_person_opened(acme):
    acme.change("mine", "1.7.0", path=STAGING, auc=0.97, who="ada")
    mine = acme.open("mine", who="ada")
    acme.says(mine, "Merging would")
    deploy(acme, "1.7.0", 0.97)
    settle(9)
    assert asked(acme) == []
    acme.ask("ada", "PATCH", f"pulls/{mine}", {"state": "closed"})
    appears(acme, "1.7.0")


@pytest.mark.slow
@pytest.mark.parametrize(("version", "late"), [("1.8.0", False), ("1.9.0", True)], ids=["pushed", "opened"])
def test_one_that_was_not_written_down_is_found_again_and_no_second_is_made(acme, version, late):
    before = len(asked(acme, "all"))
    faults = acme.forge.faults
    faults.matches = lambda request: request.method == "POST" and request.path[-1] == "pulls"
    faults.remaining, faults.status, faults.late = 1, 502, late
    try:
        acme.change(f"dev-{version}", version, path=DEV, auc=0.975, who="ada")
        acme.lab.git("push", "-q", "origin", f"dev-{version}:main")
        acme.lab.git("pull", "-q", "--ff-only", "origin", "main")
        acme.lab.wait("it is not told that it opened one", lambda: faults.remaining == 0, seconds=_SECONDS)
        acme.lab.restart()
        found = appears(acme, version)
    finally:
        faults.clear()
    acme.lab.wait("it is written down", lambda: found["number"] in proposed(acme), seconds=_SECONDS)
    assert len(asked(acme, "all")) == before + 1
    assert proposed(acme).count(found["number"]) == 1


@pytest.mark.slow
def test_a_branch_of_that_name_that_is_somebody_elses_is_left_alone(acme):
    dev = versioned((acme.work / DEV).read_text(), "2.0.0", 0.98)
    text = splice(STAGING, (acme.work / STAGING).read_bytes(), DEV, dev.encode())
    branch = branch_of("promote", "staging", "fraud-detector", sha256_of(text))
    theirs = acme.push(branch, {STAGING: text.decode()}, sign=(STAGING,), who="ada")
    before = [row["number"] for row in asked(acme)]
    deploy(acme, "2.0.0", 0.98)
    acme.lab.wait("it is told", lambda: f"{branch} is there already, and is somebody else's" in acme.lab.log())
    assert [row["number"] for row in asked(acme)] == before
    assert acme.lab.git("rev-parse", f"refs/heads/{branch}", at=acme.lab.origin) == theirs


def proposed(acme: PullLab) -> list[int]:
    rows = acme.lab.records()
    return [row["detail"]["pull"]["number"] for row in rows if row["kind"] == "Proposed"]
