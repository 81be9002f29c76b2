"""Who the pods are, and who may call them: ServiceAccounts and the NetworkPolicy.

Rules: a ServiceAccount stays while any version here runs as it, because pods cannot be made without theirs. The policy
opens the ports of every version that runs, to the release's own namespace and to those it names; egress is left alone.
"""

from collections.abc import Sequence

from reconciler.model.ids import ReleaseKey
from reconciler.model.release import Effective
from reconciler.render.identity import Body, metadata, release_labels, release_selector
from reconciler.render.pod import service_account, serving_ports

_NAMESPACE_NAME = "kubernetes.io/metadata.name"


def service_accounts(effectives: Sequence[Effective], key: ReleaseKey) -> list[Body]:
    """One ServiceAccount per identity that a version runs as, in the order of their names; none has an API token."""
    identities = sorted({(effective.spec.targets.namespace, service_account(effective)) for effective in effectives})
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": metadata(name, namespace, release_labels(key)),
            "automountServiceAccountToken": False,
        }
        for namespace, name in identities
    ]


def network_policy(lead: Effective, effectives: Sequence[Effective], key: ReleaseKey) -> Body:
    """Callers as the lead version names them, on the ports of all versions."""
    numbers = sorted({port.port for effective in effectives for port in serving_ports(effective)})
    namespaces = sorted({entry.namespace for entry in lead.spec.serving.access.allow_from})
    callers: list[Body] = [{"podSelector": {}}]
    callers += [{"namespaceSelector": {"matchLabels": {_NAMESPACE_NAME: namespace}}} for namespace in namespaces]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(key.name, lead.spec.targets.namespace, release_labels(key)),
        "spec": {
            "podSelector": {"matchLabels": release_selector(key)},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": callers, "ports": [{"port": number, "protocol": "TCP"} for number in numbers]}],
        },
    }
