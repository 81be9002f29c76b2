"""The model servers that ship: one file each, one table.

A built-in runtime is data (`BUILTIN`, what a release resolves to) and, where the server needs arguments or variables
that depend on the release, a function for each (`ARGUMENTS`, `VARIABLES`). All of it belongs to the id: what runs as
`builtin:vllm/1` never changes, because the id is part of the version of everything that runs with it. A better one is
`builtin:vllm/2`.
"""

from collections.abc import Callable, Mapping

from reconciler.model.release import Effective
from reconciler.model.runtime import ResolvedRuntime
from reconciler.render.runtimes import generic, mlserver, triton, vllm

BUILTIN: Mapping[str, ResolvedRuntime] = {
    runtime.id: runtime for runtime in (generic.GENERIC_1, mlserver.MLSERVER_1, triton.TRITON_1, vllm.VLLM_1)
}

ARGUMENTS: Mapping[str, Callable[[Effective], tuple[str, ...]]] = {
    triton.TRITON_1.id: triton.arguments_1,
    vllm.VLLM_1.id: vllm.arguments_1,
}

VARIABLES: Mapping[str, Callable[[Effective], dict[str, str]]] = {mlserver.MLSERVER_1.id: mlserver.variables_1}

METRICS_PORT = "metrics"
METRICS_PATH = "/metrics"
METRICS: Mapping[str, tuple[str, str]] = {vllm.VLLM_1.id: ("http", METRICS_PATH)}
"""Servers that tell their numbers on another port than one called `metrics`: (its name, the path)."""


def own_arguments(effective: Effective) -> tuple[str, ...]:
    """What the runtime adds between its fixed arguments and the release's own; nothing for most."""
    arguments = ARGUMENTS.get(effective.runtime.id)
    return arguments(effective) if arguments else ()


def own_variables(effective: Effective) -> dict[str, str]:
    """Environment variables that the runtime adds; the release's own of the same name stand in their place."""
    variables = VARIABLES.get(effective.runtime.id)
    return variables(effective) if variables else {}


def metrics_endpoint(effective: Effective) -> tuple[str, str] | None:
    """(port name, path) at which the server tells its numbers: a port called `metrics`, or where we know it to."""
    if effective.runtime.id in METRICS:
        return METRICS[effective.runtime.id]
    named = any(port.name == METRICS_PORT for port in effective.runtime.spec.ports)
    return (METRICS_PORT, METRICS_PATH) if named else None
