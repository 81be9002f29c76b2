"""The chapters that are played on the forge: merge to promote, sign in a comment to approve, revert to roll back.

People do here what they do on any forge, and the daemon answers in one comment. What is checked is what that comment
and the commit statuses say, and then what runs.
"""

import re
import subprocess
from datetime import UTC, datetime

from reconciler.demo.plot import DEV, Step, pods, serves, versioned
from reconciler.demo.stage import CLUSTERS, Stage
from reconciler.errors import Refused
from reconciler.model.state import Phase

_VERSION = "2.0.0"
_BEFORE = "1.7.0"
_AFTER = {"staging": "dev", "prod": "staging"}
_COMMAND = re.compile(r"```sh\n(ssh-keygen .*?\nSTATEMENT\n)```", re.DOTALL)


def pull_request(stage: Stage) -> str:
    """Ada tries a new model in dev, by a pull request."""
    chain = propose(stage, "chain", _chained(stage), who="bo", title="Staging follows dev, and production staging")
    stage.comment(chain, "environments/prod.yaml")
    merge(stage, chain, who="bo")
    people = stage.organisation
    text = versioned((people.checkout.top / DEV).read_text(), _VERSION, 0.97)
    number = propose(stage, "try-2.0.0", {DEV: text}, who="ada", title=f"Try fraud-detector {_VERSION} in dev")
    told = headline(stage.comment(number, "Merging would promote"))
    stage.told_well(number, "dev")
    began = datetime.now(UTC)
    merge(stage, number, who="ada")
    ended = headline(stage.comment(number, "is Promoted"))
    seconds = (datetime.now(UTC) - began).total_seconds()
    if not _serves_in(stage, "dev"):
        raise Refused(f"the comment says that {_VERSION} is promoted, and it does not serve")
    return f"#{number} was told “{told}”; Ada merged, and the same comment says “{ended}” ({seconds:.1f} s)"


def promotion(stage: Stage) -> str:
    """From dev to staging, and from there to production, where risk is asked."""
    staging = promote(stage, "dev", "staging", who="ada")
    stage.told_well(staging, "staging")
    merge(stage, staging, who="ada")
    stage.wait(f"{_VERSION} serves in staging", lambda: _serves_in(stage, "staging"), telling="staging/fraud-detector")
    number = promote(stage, "staging", "prod", who="bo")
    asked = stage.comment(number, "0 of 1 approval by risk")
    if stage.commit_status(number, "prod")[0] != "pending":
        raise Refused("a promotion that nobody approved is not pending")
    with stage.visitor("cy") as cy:
        cy.comment(number, f"Looks right.\n\n```\n{signed(stage, asked, who='cy')}```")
    stage.told_well(number, "prod")
    merge(stage, number, who="bo")
    seconds = stage.wait(f"{_VERSION} serves", lambda: serves(stage, _VERSION), telling="prod/fraud-detector")
    stage.comment(number, "is Promoted")
    took = f"#{staging} and #{number} took {_VERSION} from dev to production"
    return f"{took}; Cy signed what the comment of #{number} shows, and pasted it there ({seconds:.1f} s)"


def revert(stage: Stage) -> str:
    """The last merge is reverted by a pull request, and what was good returns at once."""
    checkout, branch = stage.organisation.checkout, "revert-2.0.0"
    merged = checkout.head()
    checkout.push_ref(f"refs/heads/{branch}", checkout.revert(merged, stage.organisation.person("bo").actor), None)
    checkout.reset(merged)
    with stage.visitor("bo") as bo:
        number = bo.open_pull(branch, f"Revert fraud-detector {_VERSION} in production")
    told = headline(stage.comment(number, "Merging would return"))
    merge(stage, number, who="bo")
    seconds = stage.wait(f"{_BEFORE} serves again", lambda: serves(stage, _BEFORE), telling="prod/fraud-detector")
    stage.comment(number, "is Promoted")
    return f"#{number} was told “{told}”; merged, it did, without a new signature or approval ({seconds:.1f} s)"


def propose(stage: Stage, branch: str, files: dict[str, str], *, who: str, title: str) -> int:
    """Somebody changes files on a branch, signs them, pushes and opens a pull request; its number."""
    people, person = stage.organisation, stage.organisation.person(who)
    checkout, now = people.checkout, datetime.now(UTC)
    base = checkout.head()
    for path, text in files.items():
        (checkout.top / path).write_text(text)
        people.sign(path, person)
    contents = {name: (checkout.top / name).read_bytes() for path in files for name in (path, f"{path}.sig")}
    revision = checkout.commit_on(base, contents, title, person.actor, when=now)
    checkout.reset(base)
    checkout.push_ref(f"refs/heads/{branch}", revision, None)
    with stage.visitor(who) as visitor:
        return visitor.open_pull(branch, title)


def promote(stage: Stage, source: str, target: str, *, who: str) -> int:
    """`reconciler promote`, as somebody types it; the number of the pull request that it opens."""
    return opened(stage.types(who, "promote", "fraud-detector", "--from", source, "--to", target))


def opened(said: str) -> int:
    """The number of the pull request that a command says it opened."""
    found = re.search(r"#([0-9]+)", said)
    if found is None:
        raise Refused(f"no pull request was opened: {said}")
    return int(found[1])


def merge(stage: Stage, number: int, *, who: str) -> None:
    """Somebody merges a pull request as one commit, and the clone follows."""
    with stage.visitor(who) as visitor:
        visitor.merge(number, way="squash")
    stage.organisation.checkout.pull()


def signed(stage: Stage, comment: str, *, who: str) -> str:
    """What somebody gets who copies the command that a comment shows into a shell; with their key."""
    found = _COMMAND.search(comment)
    if found is None:
        raise Refused(f"the comment shows nothing to sign: {comment}")
    command = found[1].replace("~/.ssh/id_ed25519", str(stage.organisation.person(who).key))
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(f"the command of the comment fails: {done.stderr}")
    return done.stdout


def headline(comment: str) -> str:
    """The first sentence of a comment, as plain text."""
    return comment.splitlines()[1].lstrip("# ").replace("`", "").replace("&nbsp;", " ")


def _chained(stage: Stage) -> dict[str, str]:
    """The environments, each after the one before it."""
    top = stage.organisation.checkout.top
    files = {name: f"environments/{name}.yaml" for name in _AFTER}
    return {
        path: (top / path).read_text().replace("spec:\n", f"spec:\n  after: {_AFTER[name]}\n", 1)
        for name, path in files.items()
    }


def _serves_in(stage: Stage, environment: str) -> bool:
    """True when an environment before production runs the new version and nothing else."""
    status = stage.status(environment, "fraud-detector")
    found = pods(stage, CLUSTERS[0], f"fraud-{environment}")
    versions = {pod["metadata"]["annotations"]["reconciler.dev/model-version"] for pod in found}
    return status.phase is Phase.PROMOTED and versions == {_VERSION}


CHAPTERS: tuple[Step, ...] = (
    Step(
        title="Pull request", words="Ada tries fraud-detector 2.0.0 in dev and opens a pull request.", play=pull_request
    ),
    Step(title="Promotion", words="From dev to staging to production; there risk is asked for a yes.", play=promotion),
    Step(title="Revert by pull request", words="Bo reverts the last merge on the forge.", play=revert),
)
