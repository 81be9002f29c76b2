"""Playing the properties of this room with fresh randomness: `python tests/fuzz/fuzz_play.py --seconds=120`.

Every process plays one property after another, a few hundred examples at a time, until the time is up; the order is
chance, and each is played before one is played again. A failure is told as a test that can be pasted.
"""

import argparse
import importlib
import multiprocessing
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
EXAMPLES = 300  # at a time; the work of a few seconds

Property = tuple[str, str]
"""Its module and its name."""


def properties() -> list[Property]:
    """Every property of the room."""
    modules = sorted(path.stem for path in HERE.glob("test_*.py"))
    return [
        (module, name)
        for module in modules
        for name, value in vars(importlib.import_module(module)).items()
        if hasattr(value, "hypothesis")
    ]


def play(which: Property) -> str:
    """Play one of them; what went wrong as a test, empty when nothing did."""
    module, name = which
    test: Callable[[], None] = getattr(importlib.import_module(module), name)
    return told(module, name, test)


def told(module: str, name: str, test: Any) -> str:
    """Run a property; what it found last, which is the smallest that fails, as a test."""
    inner, found = test.hypothesis.inner_test, {}

    def watched(**values: Any) -> None:
        try:
            inner(**values)
        except Exception:
            found.clear()
            found.update(values)
            raise

    test.hypothesis.inner_test = watched
    try:
        test()
    except Exception as error:  # noqa: BLE001  # whatever it is, the other properties go on
        return pasteable(module, name, found, error)
    finally:
        test.hypothesis.inner_test = inner
    return ""


def pasteable(module: str, name: str, values: dict[str, Any], error: Exception) -> str:
    """A test for the end of the property's own module."""
    given = "".join(f"        {key}={value!r},\n" for key, value in values.items())
    why = " ".join(f"{type(error).__name__}: {error}".split())[:300].encode("ascii", "backslashreplace").decode()
    return f"# tests/fuzz/{module}.py: {why}\ndef {name}_found():\n    {name}.hypothesis.inner_test(\n{given}    )\n"


def _prepare(examples: int) -> None:
    os.environ["FUZZ_EXAMPLES"] = str(examples)
    sys.path[:0] = [str(HERE), str(HERE.parents[1])]


def _turns(known: list[Property]) -> Iterator[Property]:
    while True:
        random.shuffle(known)
        yield from known


def main() -> int:
    """Play until the time is up, and say how often, and what failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="after which no property is begun")
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="of one property at a time")
    parser.add_argument("--only", default="", help="the properties with this in their module or name")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    _prepare(asked.examples)
    known = [which for which in properties() if asked.only in ".".join(which)]
    if not known:
        parser.error(f"there is no property with {asked.only!r} in its name")
    began, turns = time.monotonic(), _turns(known)
    played: Counter[Property] = Counter()
    failed: dict[Property, str] = {}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        asked.processes, mp_context=spawn, initializer=_prepare, initargs=(asked.examples,)
    ) as pool:
        running: dict[Future[str], Property] = {}
        while True:
            while len(running) < asked.processes and time.monotonic() - began < asked.seconds:
                which = next(turns)
                running[pool.submit(play, which)] = which
            if not running:
                break
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                which = running.pop(done)
                played[which] += 1
                text = done.result()
                if text and which not in failed:
                    failed[which] = text
                    sys.stdout.write(f"{text}\n")
                    sys.stdout.flush()
    unplayed = [".".join(which) for which in known if not played[which]]
    end = f", of which failed: {', '.join('.'.join(which) for which in sorted(failed))}" if failed else ", none failed"
    left = f"; not reached: {', '.join(unplayed)}" if unplayed else ""
    seconds = time.monotonic() - began
    total = sum(played.values())
    sys.stdout.write(f"{len(played)} properties, {total} turns of {asked.examples} in {seconds:.0f} s{end}{left}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
