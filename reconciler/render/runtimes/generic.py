"""Any HTTP server: the release brings the image, and its port and probes where they differ from the usual ones."""

from reconciler.model.runtime import Port, Probe, Probes, ResolvedRuntime, RuntimeSpec

GENERIC_1 = ResolvedRuntime(
    id="builtin:generic/1",
    name="generic",
    spec=RuntimeSpec(
        ports=(Port(name="http", port=8080),),
        probes=Probes(ready=Probe(path="/healthz"), live=Probe(path="/healthz")),
    ),
)
