"""Playing seeds: one of them, or many in parallel processes: `python tests/world/world_play.py --seeds=500`.

Each process makes one world at rest and plays its seeds from there. A failure is told with its script (what was done,
in words) and how it is played again. With `--seconds` it ends after so long: seeds that were not reached are told and
are no failure.
"""

import argparse
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager

from world_machine import Machine
from world_stage import staged
from world_steps import STEPS

BURSTS = 3
_REAL_GIT = 10  # in one of so many seeds git itself fetches and pushes


@contextmanager
def world(seed: int = 0, *, processes: bool = False) -> Iterator[Machine]:
    """A world at rest: six releases are Promoted. What goes wrong in it is told with the script."""
    with staged(processes=processes) as stage:
        machine = Machine(stage, random.Random(seed))  # noqa: S311  # a play, not a secret
        try:
            machine.settle()
            yield machine
        except BaseException as error:
            again = f"played again by: make seeds ARGS='--seeds=1 --first-seed={seed}'"
            error.add_note("\n".join([again, "the script:", *machine.script, "the log:", *stage.log.lines[-20:]]))
            raise


def play(seed: int) -> None:
    """One seed; raises when the world does not come to rest as it must, or an auditor finds the ledger wrong."""
    with world(seed, processes=seed % _REAL_GIT == _REAL_GIT - 1) as machine:
        for _ in range(BURSTS):
            machine.burst(STEPS)
        problems = machine.oracle.told.audit()
        assert not problems, problems


def _told(seed: int) -> str:
    """What went wrong in one seed; empty when nothing did."""
    try:
        play(seed)
    except Exception as error:  # noqa: BLE001  # whatever it is, the other seeds go on
        return "\n".join([f"seed {seed}: {type(error).__name__}: {error}", *getattr(error, "__notes__", ())])
    return ""


def _here(folder: str) -> None:
    tempfile.tempdir = folder


def main() -> int:
    """Play, and say how many seeds were played and what failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--first-seed", type=int, default=0, help="the first of them")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="after which it ends")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    began, wanted = time.monotonic(), range(asked.first_seed, asked.first_seed + asked.seeds)
    played, failed, rest = 0, [], iter(wanted)
    spawn = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory(prefix="reconciler-worlds-") as folder,
        ProcessPoolExecutor(asked.processes, mp_context=spawn, initializer=_here, initargs=(folder,)) as pool,
    ):
        running: dict[Future[str], int] = {}
        while True:
            while len(running) < 2 * asked.processes and time.monotonic() - began < asked.seconds:
                seed = next(rest, None)
                if seed is None:
                    break
                running[pool.submit(_told, seed)] = seed
            if not running:
                break
            done = next(as_completed(running))
            seed, text = running.pop(done), done.result()
            played += 1
            if text:
                failed.append(seed)
                sys.stdout.write(f"{text}\n\n")
                sys.stdout.flush()
    left = "" if played == asked.seeds else f"; {asked.seeds - played} were not reached in time"
    told = f", of which failed: {', '.join(map(str, sorted(failed)))}" if failed else ", none failed"
    seconds = time.monotonic() - began
    sys.stdout.write(f"{played} seeds from {asked.first_seed} on in {seconds:.0f} s{told}{left}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
