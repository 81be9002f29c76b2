"""Serving embedded clusters: a port of 127.0.0.1 each, and one kubeconfig for all."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

import yaml

from reconciler.demo.api.cluster import Cluster
from reconciler.demo.api.http import Listener


class Server:
    """Clusters that answer. Ends with `stop`, or as a context manager."""

    def __init__(self, clusters: Iterable[Cluster], ports: Mapping[str, int]) -> None:
        self.clusters = {cluster.name: cluster for cluster in clusters}
        self._listeners: dict[str, Listener] = {}
        self._ports = dict(ports)
        try:
            for name in self.clusters:
                self.resume(name)
        except OSError:
            self._close()
            raise
        for cluster in self.clusters.values():
            cluster.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def port(self, name: str) -> int:
        """Where a cluster listens (or did, while paused)."""
        return self._ports[name]

    def url(self, name: str) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self.port(name)}"

    def pause(self, name: str) -> None:
        """Make a cluster unreachable: its port is closed and its connections are cut. Its controllers go on."""
        self.clusters[name].end_watches()
        self._listeners.pop(name).close()

    def resume(self, name: str) -> None:
        """Make it reachable again, on the same port."""
        cluster = self.clusters[name]
        listener = Listener(cluster.answer, cluster.faults, self._ports.get(name, 0))
        self._listeners[name] = listener
        self._ports[name] = listener.port

    def stop(self) -> None:
        """Close the ports, cut the connections, end the controllers."""
        for cluster in self.clusters.values():
            cluster.stop()
        self._close()

    def _close(self) -> None:
        for name in list(self._listeners):
            self._listeners.pop(name).close()

    def kubeconfig(self) -> str:
        """One kubeconfig with a context per cluster, named like it; the first is the current one."""
        names = list(self.clusters)
        data = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": names[0] if names else "",
            "clusters": [{"name": name, "cluster": {"server": self.url(name)}} for name in names],
            "users": [{"name": "demo", "user": {}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": "demo"}} for name in names],
        }
        return yaml.safe_dump(data, sort_keys=False)

    def write_kubeconfig(self, path: Path) -> None:
        """Write it readable for the owner only; it is there completely or not at all."""
        write(path, self.kubeconfig())


def write(path: Path, text: str) -> None:
    """Replace a file at once."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


def serve(clusters: Iterable[Cluster], *, ports: Mapping[str, int] | None = None) -> Server:
    """Start clusters and answer for them; a port that is not given is a free one. Raises OSError for a taken port."""
    return Server(clusters, ports or {})
