"""`python -m tests.bench [P1 P3 P5 P6 P9 P10 P11 P12 POL P14] [--rounds N] [--kubeconfig F]`."""

import argparse
import os
import platform
import sys
from pathlib import Path

import orjson

from tests.bench import forge, latency, ledger, plan, policies, pulls, rollout, signatures, start

BENCHES = {
    "P1": rollout.p1_and_p3,
    "P5": plan.p5,
    "P6": latency.p6,
    "P9": signatures.p9,
    "P10": ledger.p10,
    "P11": forge.p11,
    "P12": pulls.p12,
    "POL": policies.policies,
    "P14": start.p14,
}


def main() -> int:
    """Run what is asked for; returns 0."""
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("which", nargs="*", choices=[*BENCHES, []], default=list(BENCHES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--releases", type=int, default=200)
    parser.add_argument("--kubeconfig", type=Path, help="a real cluster; default: the embedded one")
    options = parser.parse_args()
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    results = {"machine": machine, "rounds": options.rounds, "figures": []}
    for name in options.which:
        for figure in BENCHES[name](options):
            results["figures"].append(figure)
            goal = f"   goal {figure['goal']}" if figure.get("goal") else ""
            print(f"{figure['id']:<4} {figure['what']:<64} {figure['value']:>12}{goal}", flush=True)
    out = Path(__file__).parent / "results.json"
    out.write_bytes(orjson.dumps(results, option=orjson.OPT_INDENT_2) + b"\n")
    print(f"{machine}; written to {out.name}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
