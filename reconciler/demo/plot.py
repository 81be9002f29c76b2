"""What every chapter of the demo uses: how people change a release, and what can be seen of it on the clusters."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reconciler.demo.stage import CLUSTERS, Stage
from reconciler.digest import sha256_of
from reconciler.model.state import Phase

PROD = "releases/prod/fraud-detector.yaml"
STAGING = "releases/staging/fraud-detector.yaml"
DEV = "releases/dev/fraud-detector.yaml"
NAMESPACE = "fraud"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One chapter: its title, what it says before it begins, and the play, which returns what was checked."""

    title: str
    words: str
    play: Callable[[Stage], str]


def versioned(text: str, version: str, auc: float) -> str:
    """A release's text with another version of its model, which scores so."""
    text = re.sub(r"version: \S+", f"version: {version}", text)
    text = re.sub(r"sha256:[0-9a-f]{64}", sha256_of(f"fraud-detector:{version}".encode()), text)
    return re.sub(r"(metric: auc\n\s+value: )\S+", rf"\g<1>{auc}", text)


def edit(stage: Stage, path: str, *, version: str, auc: float, who: str, message: str, sign: bool = True) -> str:
    """Somebody changes a release's model version, signs it (or not) and merges; returns the commit."""
    file = stage.organisation.checkout.top / path
    file.write_text(versioned(file.read_text(), version, auc))
    person = stage.organisation.person(who)
    if sign:
        stage.organisation.sign(path, person)
    return stage.organisation.commit(message, person)


def serves(stage: Stage, version: str) -> bool:
    """True when production is promoted at this model version and runs it and nothing else."""
    return stage.status("prod", "fraud-detector").phase is Phase.PROMOTED and runs(stage, version)


def runs(stage: Stage, version: str) -> bool:
    """True when both clusters run this model version of production, healthy, and nothing else."""
    stable = stage.status("prod", "fraud-detector").stable
    if stable is None or stable.model_version != version:
        return False
    for cluster in CLUSTERS:
        running = {pod["metadata"]["annotations"]["reconciler.dev/model-version"] for pod in pods(stage, cluster)}
        health = stage.target(cluster, "prod", "fraud-detector", NAMESPACE).status.versions[stable.version]
        if running != {version} or not health.healthy:
            return False
    return True


def pods(stage: Stage, cluster: str, namespace: str = NAMESPACE) -> list[dict[str, Any]]:
    """Pods of one cluster and namespace (production's, unless told) that are not going away."""
    found = stage.ask(cluster, "GET", f"/api/v1/namespaces/{namespace}/pods")["items"]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def held(stage: Stage, environment: str, kind: str, name: str = "fraud-detector") -> str:
    """The sentence of the closed gate of this kind; empty while there is none."""
    gates = stage.status(environment, name).gates
    return next((gate.message for gate in gates if gate.kind == kind), "")
