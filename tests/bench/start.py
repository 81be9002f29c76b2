"""P14: `reconciler --version`, against an interpreter that does nothing."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from tests.bench.measure import figure, median, timed


def p14(options: Any) -> Iterator[dict[str, Any]]:
    """Interleaved rounds of both."""
    ours, bare = [], []
    for _ in range(max(5, options.rounds)):
        bare.append(timed(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True))[0])
        command = [sys.executable, "-m", "reconciler", "--version"]
        ours.append(timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))[0])  # noqa: B023
    yield figure("P14", "reconciler --version", median(ours) * 1000, " ms", "≤ 150 ms")
    yield figure("P14", "… as a ratio to a bare interpreter", median(ours) / median(bare))
