"""Seldon's MLServer. The release brings the image, pinned by digest; the model's folder says how it is loaded.

That folder has a `model-settings.json`, which names the class that loads the model; what it needs has to be in the
image. The server writes metrics of its workers and unpacked environments into its working folder unless it is told
otherwise, and that folder cannot be written here.
"""

from reconciler.model.release import Effective
from reconciler.model.runtime import Port, Probe, Probes, ResolvedRuntime, RuntimeSpec

MLSERVER_1 = ResolvedRuntime(
    id="builtin:mlserver/1",
    name="mlserver",
    spec=RuntimeSpec(
        formats=("sklearn", "skops", "xgboost", "lightgbm", "catboost", "huggingface", "mlflow"),
        command=("mlserver", "start"),
        args=("$(MODEL_PATH)",),
        ports=(Port(name="http", port=8080), Port(name="grpc", port=8081), Port(name="metrics", port=8082)),
        probes=Probes(ready=Probe(path="/v2/health/ready"), live=Probe(path="/v2/health/live")),
    ),
)


def variables_1(effective: Effective) -> dict[str, str]:
    """Where it listens (it has no arguments for that), and where it may write."""
    http, grpc, metrics = effective.runtime.spec.ports
    return {
        "MLSERVER_HTTP_PORT": str(http.port),
        "MLSERVER_GRPC_PORT": str(grpc.port),
        "MLSERVER_METRICS_PORT": str(metrics.port),
        "MLSERVER_METRICS_DIR": "/tmp/metrics",  # noqa: S108  # in the pod, not a temporary file of ours
        "MLSERVER_ENVIRONMENTS_DIR": "/tmp/environments",  # noqa: S108  # in the pod
    }
