"""Clocks and small arithmetic."""

import math
import resource
import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """(wall seconds, CPU seconds of this process) of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def cpu_of(pid: int) -> float:
    """CPU seconds that a running process and its ended children have used, from /proc."""
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()  # noqa: PTH123, SIM115  # one read
    return sum(int(fields[index]) for index in (11, 12, 13, 14)) / resource_ticks()


def resource_ticks() -> int:
    """Clock ticks per second."""
    import os

    return os.sysconf("SC_CLK_TCK")


def children_cpu() -> float:
    """CPU seconds of children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def median(values: Iterable[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that so large a share of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def figure(name: str, what: str, value: float, unit: str = "", goal: str = "") -> dict[str, Any]:
    """One row of the results."""
    shown = f"{value:.3g}{unit}" if value < 1000 else f"{value:.0f}{unit}"
    return {"id": name, "what": what, "number": value, "value": shown, "goal": goal}
