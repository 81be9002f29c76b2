"""The engine's own gates: signature, governing documents, references, removals.

Policies' gates are in `verdict`, and no policy, waiver or parameter opens one of these. Rules: a closed gate stops
progress and nothing else (what runs stays served and is repaired); its message is one sentence that names the file and
says who or what opens it.
"""

from collections.abc import Iterable

from reconciler.errors import Problem
from reconciler.model.ids import ReleaseKey
from reconciler.model.plan import Gate
from reconciler.model.verification import Verification

SHOWN_PROBLEMS = 5


def signature_gate(path: str, verification: Verification) -> Gate:
    """Whether the people whom the trust file asks for signed this very manifest."""
    if verification.verified:
        return Gate(kind="Signature", open=True, reason="Verified", message=f"{path} is {verification.sentence}")
    why = verification.sentence or f"{_count(verification.missing, 'signature')} missing"
    message = f"{path} is not verified: {why}; somebody who may release it runs: reconciler sign {path}"
    return Gate(kind="Signature", open=False, reason="NotVerified", message=message)


def config_gate(kind: str, name: str, path: str, verification: Verification, *, accepted: bool) -> Gate:
    """A governing document (an environment, a cluster, a policy …) whose text on the trunk is not vouched for.

    With `accepted` an earlier text of it stays in force, and the gate is open: it is named and stops nothing.
    """
    why = f" ({verification.sentence})" if verification.sentence else ""
    opens = f"somebody who may configure it runs: reconciler sign {path}"
    if verification.verified:
        return Gate(kind="Config", open=True, reason="Verified", message=f"{path} is {verification.sentence}")
    if accepted:
        message = f"the change of {kind} {name} in {path} is not trusted{why}, so its last accepted text stays in force"
    else:
        message = f"{kind} {name} in {path} is not trusted{why} and never was, so what refers to it is held"
    return Gate(kind="Config", open=accepted, reason="ConfigNotTrusted", message=f"{message}; {opens}")


def invalid_gate(problems: Iterable[Problem]) -> Gate:
    """A document that does not parse, validate or resolve; the message has the first problems with their places."""
    rows = [str(problem) for problem in sorted(problems)]
    if not rows:
        return Gate(kind="Reference", open=True, reason="Valid", message="everything that it names is there")
    more = f" (and {len(rows) - SHOWN_PROBLEMS} more)" if len(rows) > SHOWN_PROBLEMS else ""
    message = "; ".join(rows[:SHOWN_PROBLEMS]) + more
    return Gate(kind="Reference", open=False, reason="Invalid", message=message)


def removal_gate(
    key: ReleaseKey, verification: Verification, *, signature: str, cluster: str = "", last_path: str = ""
) -> Gate:
    """The end of a release, or of it on one cluster. `signature` is the path of the removal's signature."""
    if verification.verified:
        return Gate(kind="Removal", open=True, reason="Verified", message=f"the removal is {verification.sentence}")
    if cluster:
        what = f"{key} no longer selects cluster {cluster}"
    else:
        what = f"{last_path} of {key} is gone from the trunk" if last_path else f"{key} is gone from the trunk"
    why = f" ({verification.sentence})" if verification.sentence else ""
    message = f"{what} without a removal{why}, so it is still served; somebody who may remove it signs {signature}"
    return Gate(kind="Removal", open=False, reason="RemovalNotSigned", message=message)


def closed(gates: Iterable[Gate]) -> tuple[Gate, ...]:
    """Those that stop progress, in their order."""
    return tuple(gate for gate in gates if not gate.open)


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
