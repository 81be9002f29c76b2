"""Metrics: every name with its help, in one table, so that the docs and a test read the same list.

Not the logs (structlog, one line per decision, configured by the command line) and never a decision. Instances, not
globals: two daemons in one process (tests) do not share counts.
"""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from reconciler.model.ids import ReleaseKey

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

METRICS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "reconciler_pass_seconds": ("histogram", "Duration of one pass over a key.", ("kind",)),
    "reconciler_pass_errors_total": ("counter", "Passes that ended in an error, by its reason.", ("kind", "reason")),
    "reconciler_queue_length": ("gauge", "Keys waiting or being worked on.", ()),
    "reconciler_requests_total": (
        "counter",
        "Requests to Kubernetes API servers; status 0: no answer.",
        ("cluster", "verb", "resource", "status"),
    ),
    "reconciler_request_seconds": ("histogram", "Duration of requests to Kubernetes API servers.", ("cluster",)),
    "reconciler_polls_total": ("counter", "Looks at a watched repository, by result.", ("repository", "result")),
    "reconciler_forge_requests_total": (
        "counter",
        "Requests to forges; status 0: no answer.",
        ("repository", "call", "status"),
    ),
    "reconciler_forge_request_seconds": ("histogram", "Duration of requests to forges.", ("repository",)),
    "reconciler_forge_quota_remaining": ("gauge", "Requests that the forge lets us make still.", ("repository",)),
    "reconciler_webhooks_total": ("counter", "Deliveries of forges, taken or refused.", ("repository", "result")),
    "reconciler_releases": ("gauge", "Releases on the trunk.", ("repository",)),
    "reconciler_decisions_total": (
        "counter",
        "What happened to releases: Started, Promoted, RolledBack, Aborted, Held, BreakGlass.",
        ("kind", "environment"),
    ),
    "reconciler_ledger_flushes_total": ("counter", "Ledger commits pushed, by result.", ("repository", "result")),
    "reconciler_ledger_pending": ("gauge", "Records that wait for the ledger.", ("repository",)),
    "reconciler_policy_questions_total": ("counter", "Policy verdicts, asked of the engine or cached.", ("from",)),
}


class Telemetry:
    """The metrics of one daemon."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        for name, (kind, text, labels) in METRICS.items():
            if kind == "counter":
                self._counters[name] = Counter(name, text, labels, registry=self.registry)
            elif kind == "gauge":
                self._gauges[name] = Gauge(name, text, labels, registry=self.registry)
            else:
                self._histograms[name] = Histogram(name, text, labels, registry=self.registry, buckets=_BUCKETS)

    def count(self, name: str, *labels: str, by: int = 1) -> None:
        """Add to a counter."""
        self._counters[name].labels(*labels).inc(by)

    def gauge(self, name: str, value: float, *labels: str) -> None:
        """Set a gauge."""
        metric = self._gauges[name]
        (metric.labels(*labels) if labels else metric).set(value)

    def observe(self, name: str, seconds: float, *labels: str) -> None:
        """Add a duration to a histogram."""
        self._histograms[name].labels(*labels).observe(seconds)

    def decision(self, kind: str, key: ReleaseKey) -> None:
        """Count one decision about a release."""
        self.count("reconciler_decisions_total", kind, key.environment)

    def requests_of(self, cluster: str) -> Callable[[str, str, int, float], None]:
        """The observer that a cluster's connection calls after every request."""

        def on_request(verb: str, resource: str, status: int, seconds: float) -> None:
            self.count("reconciler_requests_total", cluster, verb, resource, str(status))
            self.observe("reconciler_request_seconds", seconds, cluster)

        return on_request

    def forge_answered(self, repository: str, call: str, _method: str, status: int, seconds: float) -> None:
        """Count one request to a forge."""
        self.count("reconciler_forge_requests_total", repository, call, str(status))
        self.observe("reconciler_forge_request_seconds", seconds, repository)

    def page(self) -> bytes:
        """The text of /metrics."""
        return generate_latest(self.registry)
