"""`python -m reconciler.demo.api --state-dir DIR --clusters eu-1,us-1`: serve embedded clusters until SIGTERM.

Writes DIR/pid and, once everything answers, DIR/kubeconfig (a context per cluster). `--ports eu-1=8001,us-1=8002` fixes
ports; `--pace` is in seconds between two steps of a pod's life. What it holds is gone when it ends.
"""

import argparse
import os
import re
import signal
import sys
import threading
from pathlib import Path

from reconciler.demo.api.cluster import Cluster
from reconciler.demo.api.serve import serve, write

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_WRONG_USE = 2


def main(arguments: list[str] | None = None) -> int:
    """The process's exit code."""
    options = _parser().parse_args(arguments)
    names = [name for name in options.clusters.split(",") if name]
    try:
        ports = {name: int(port) for name, port in (pair.split("=") for pair in filter(None, options.ports.split(",")))}
    except ValueError:
        return _refuse("--ports is not NAME=PORT,NAME=PORT")
    if not names or len(set(names)) != len(names) or not all(map(_NAME.fullmatch, names)):
        return _refuse("--clusters needs one or more different names of lower-case letters, digits and '-'")
    if unknown := set(ports) - set(names):
        return _refuse(f"--ports names a cluster that is not in --clusters: {', '.join(sorted(unknown))}")
    return _serve(options.state_dir, names, ports, options.pace)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reconciler.demo.api", description="Serve embedded clusters.")
    parser.add_argument("--state-dir", type=Path, required=True, help="where kubeconfig and pid are written")
    parser.add_argument("--clusters", default="eu-1,us-1", help="names, separated by commas")
    parser.add_argument("--ports", default="", help="NAME=PORT,…; others get a free port")
    parser.add_argument("--pace", type=float, default=0.0, help="seconds between two steps of a pod's life")
    return parser


def _refuse(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return _WRONG_USE


def _serve(folder: Path, names: list[str], ports: dict[str, int], pace: float) -> int:
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the terminal it was started from may go
    folder.mkdir(parents=True, exist_ok=True)
    kubeconfig, pid = folder / "kubeconfig", folder / "pid"
    try:
        server = serve([Cluster(name, pace=pace) for name in names], ports=ports)
    except OSError as error:
        return _refuse(f"a port cannot be used: {error}")
    with server:
        write(pid, f"{os.getpid()}\n")
        server.write_kubeconfig(kubeconfig)
        ended.wait()
    for path in (kubeconfig, pid):
        path.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
