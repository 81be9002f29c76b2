"""vLLM's OpenAI-compatible server. The release brings the image, pinned by digest.

`vllm serve` is started by name, because what an image's entrypoint is has changed, and the model is its positional
argument: `--model` is refused by some releases of it and deprecated by later ones. Pods run as non-root: the image has
to be one that can (vLLM's own non-root image, or one built on it).
"""

from reconciler.model.release import Effective
from reconciler.model.runtime import Port, Probe, Probes, ResolvedRuntime, RuntimeSpec

VLLM_1 = ResolvedRuntime(
    id="builtin:vllm/1",
    name="vllm",
    spec=RuntimeSpec(
        formats=("safetensors", "huggingface"),
        command=("vllm", "serve"),
        args=("$(MODEL_PATH)", "--served-model-name", "$(MODEL_NAME)"),
        ports=(Port(name="http", port=8000),),
        probes=Probes(ready=Probe(path="/health"), live=Probe(path="/health")),
    ),
)


def arguments_1(effective: Effective) -> tuple[str, ...]:
    """The port, a Hugging Face model's revision, and all GPUs of the pod unless the release divides them itself."""
    uri = effective.spec.model.uri
    arguments = ["--port", str(effective.runtime.spec.ports[0].port)]
    _, at, revision = uri.partition("@")
    if uri.startswith("hf://") and at:
        arguments += ["--revision", revision]
    if effective.gpus > 1 and not any(_divides(argument) for argument in effective.spec.serving.args):
        arguments += ["--tensor-parallel-size", str(effective.gpus)]
    return tuple(arguments)


def _divides(argument: str) -> bool:
    return "parallel-size" in argument or argument.startswith(("-tp", "-pp", "-dp"))
