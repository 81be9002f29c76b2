"""What one question may cost. The defaults are some hundred times what the shipped policies use."""

from dataclasses import dataclass

MAX_EXPRESSION = 4096  # bytes of one expression
MAX_NESTING = 32  # brackets in brackets; the library's own recursion limit is 32 too
MAX_REPLY = 1 << 20  # bytes; a reply beyond it means that the worker is not ours any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of the worker process and of its input."""

    wall: float = 5.0
    """Seconds for one question, compiling included."""
    cpu: int = 2
    """Seconds of CPU for one question (whole seconds: RLIMIT_CPU)."""
    memory: int = 512 << 20
    """Bytes of address space of the worker (RLIMIT_AS)."""
    start: float = 30.0
    """Seconds until the worker must have said that it is ready."""
    items: int = 5_000
    """Elements of any one list or map that a policy sees: the library stops after about 10,000 iterations."""
    input: int = 1 << 20
    """Bytes of one question."""
