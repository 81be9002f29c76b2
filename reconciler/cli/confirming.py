"""`approve NAME --prune`: a person's yes or no to deleting exactly what a release waits to delete.

Which objects wait is known to the clusters alone; the daemon writes it on the ledger's branch, and the clone has that.
Nothing of it has to be believed: what is signed is the digest of the list that is shown, and it confirms that very list
or nothing. Rule: it is added to the person's file, so that their approval of a release stays.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from reconciler.cli.desk import Desk, Subject
from reconciler.errors import Misused, NotFound, Refused

if TYPE_CHECKING:
    from reconciler.model.ids import ReleaseKey
    from reconciler.model.state import PruneMark

Marks = Mapping[str, tuple["PruneMark", ...]]


def prune_subject(desk: Desk, name: str) -> tuple[Subject, Marks]:
    """What waits to be deleted of the release that a person calls NAME or ENVIRONMENT/NAME."""
    from reconciler.digest import pruned_of
    from reconciler.loop.approving import prune_rules
    from reconciler.model.environment import Environment

    key, record, marks = _waiting(desk, name)
    if not marks:
        raise NotFound(
            f"nothing of {key} waits to be deleted, as of record {record} of the ledger",
            hint="newer records come with: git fetch",
        )
    governed = desk.snapshot.governed.get(("Environment", key.environment))
    if governed is None:
        raise Refused(f"nobody can confirm anything of {key}: environment {key.environment} is not in force")
    environment = governed.loaded.as_(Environment)
    rules, verb = prune_rules(environment)
    subject = Subject(
        key=key, digest=pruned_of(marks), what=f"the deletion of {_count(marks)} of {key}", environment=environment,
        authors=frozenset(), rules=rules, verb=verb,
    )  # fmt: skip
    return subject, marks


def shown(marks: Marks) -> str:
    """One line per object."""
    return "\n".join(f"  {cluster}: {mark.ref}" for cluster, found in sorted(marks.items()) for mark in found)


def _count(marks: Marks) -> str:
    count = sum(len(found) for found in marks.values())
    return "1 object" if count == 1 else f"{count} objects"


def _waiting(desk: Desk, name: str) -> tuple["ReleaseKey", int, Marks]:
    """The release, the record that its status file is as of, and what it waits with."""
    import orjson
    from pydantic import ValidationError

    from reconciler.cli.audit import LEDGER, ledger_head
    from reconciler.edges.git.checkout import history
    from reconciler.model.state import PruneMark, ReleaseRef, release_key

    with history(desk.checkout.top) as opened:
        files, _ = opened.read(ledger_head(opened, LEDGER), suffixes=(".json",))
    environment, _, bare = name.rpartition("/")
    paths = [path for path in sorted(files) if path.startswith("status/") and path.endswith(f"/{bare}.json")]
    paths = [path for path in paths if not environment or path == f"status/{environment}/{bare}.json"]
    if not paths:
        raise NotFound(f"the ledger has no release '{name}'", hint="newer records come with: git fetch")
    if len(paths) > 1:
        named = " or ".join(path.removeprefix("status/").removesuffix(".json") for path in paths)
        raise Misused(f"{name} is in several environments: say {named}")
    try:
        data = orjson.loads(files[paths[0]])
        ref = ReleaseRef(repository=desk.trust.spec.repository, environment=data["environment"], name=data["name"])
        rows = data.get("unconfirmed", {}).items()
        marks = {cluster: tuple(PruneMark.from_data(row) for row in found) for cluster, found in rows}
        return release_key(ref), int(data["record"]), marks
    except (orjson.JSONDecodeError, ValidationError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise Refused(f"{paths[0]} in the ledger is not a status file that the daemon wrote") from error
