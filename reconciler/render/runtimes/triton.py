"""NVIDIA Triton. The release brings the image, pinned by digest; the model is a Triton model repository.

A repository holds a folder per model, each with `config.pbtxt` (for some formats it may be left away) and numbered
versions. The server is ready when every model in it is loaded. `tritonserver` is started by name: the image's
entrypoint prints a banner and changes nothing else.
"""

from reconciler.model.release import Effective
from reconciler.model.runtime import Port, Probe, Probes, ResolvedRuntime, RuntimeSpec

TRITON_1 = ResolvedRuntime(
    id="builtin:triton/1",
    name="triton",
    spec=RuntimeSpec(
        formats=("onnx", "tensorrt", "torchscript", "tensorflow", "openvino", "triton"),
        command=("tritonserver",),
        args=("--model-repository=$(MODEL_PATH)",),
        ports=(Port(name="http", port=8000), Port(name="grpc", port=8001), Port(name="metrics", port=8002)),
        probes=Probes(ready=Probe(path="/v2/health/ready"), live=Probe(path="/v2/health/live")),
    ),
)


def arguments_1(effective: Effective) -> tuple[str, ...]:
    """The ports, since the release may have its own first one."""
    http, grpc, metrics = effective.runtime.spec.ports
    return (f"--http-port={http.port}", f"--grpc-port={grpc.port}", f"--metrics-port={metrics.port}")
