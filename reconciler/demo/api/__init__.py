"""An embedded Kubernetes API: several clusters in one process, in memory, on loopback, with controllers.

Good enough for kubectl, client libraries and our own daemon: discovery, CRUD, server-side apply with managedFields,
watches, tables, custom resources, and Deployments that become ready or fail as their annotation tells. It is not a
Kubernetes: no authentication, no admission, no scheduling by resources, nothing runs; it reads JSON and YAML but not
protobuf, which `kubectl create namespace NAME` sends (`kubectl create -f` and `apply` do not). The contract tests
(tests/contract) hold it to a real kube-apiserver. Two clusters in a test:

    from reconciler.demo.api import Cluster, serve

    with serve([Cluster("eu-1"), Cluster("us-1", pace=0.5)]) as server:
        server.write_kubeconfig(path)              # contexts eu-1 and us-1
        server.url("eu-1")                         # http://127.0.0.1:PORT
        eu = server.clusters["eu-1"]
        eu.requests["apply", "deployments"]        # how often that was asked
        eu.faults.status = 503                     # until eu.faults.clear(); see Faults
        eu.compact(); eu.end_watches()             # history gone, watches cut
        server.pause("us-1"); server.resume("us-1")  # unreachable, and back on the same port

As a process: `python -m reconciler.demo.api --state-dir DIR --clusters eu-1,us-1` (see `__main__`).
"""

from reconciler.demo.api.cluster import Cluster
from reconciler.demo.api.faults import Faults
from reconciler.demo.api.serve import Server, serve

__all__ = ["Cluster", "Faults", "Server", "serve"]
