"""`python -m reconciler.demo.forge --bare DIR --state-dir DIR --people FILE`: serve a forge until SIGTERM.

The people file is JSON, login → {"token": …, "role": "write" or "read"}; it is a file because arguments can be seen by
everybody on the machine. Writes DIR/pid and, once it answers, DIR/address. Pull requests stay in DIR/forge.json.
"""

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path

from reconciler.demo.api.serve import write
from reconciler.demo.forge.hooks import Webhook
from reconciler.demo.forge.people import Role
from reconciler.demo.forge.serve import LocalForge
from reconciler.errors import ReconcilerError

_WRONG_USE = 2


def main(arguments: list[str] | None = None) -> int:
    """The process's exit code."""
    options = _parser().parse_args(arguments)
    if bool(options.webhook) != bool(options.webhook_secret_file):
        return _refuse("--webhook and --webhook-secret-file are given together")
    try:
        logins, roles = _people(options.people)
        webhook = _webhook(options)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        return _refuse(f"the people file or the webhook's secret cannot be read: {error}")
    try:
        forge = LocalForge(
            options.bare, options.state_dir, logins, name=options.name, roles=roles, required=options.required,
            strict=options.strict, webhook=webhook, port=options.port,
        )  # fmt: skip
        return _serve(forge, options.state_dir)
    except ReconcilerError as error:
        return _refuse(error.message)
    except OSError as error:
        return _refuse(f"the port cannot be used: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reconciler.demo.forge", description="Serve a local forge.")
    parser.add_argument("--bare", type=Path, required=True, help="the bare repository")
    parser.add_argument("--state-dir", type=Path, required=True, help="where pull requests, address and pid are kept")
    parser.add_argument("--people", type=Path, required=True, help='JSON: {"ada": {"token": "…", "role": "write"}}')
    parser.add_argument("--name", default="acme/models", help="OWNER/NAME of the repository")
    parser.add_argument("--port", type=int, default=0, help="a free one without it")
    parser.add_argument("--required", action="append", default=[], help="a status that a merge needs; repeatable")
    parser.add_argument("--strict", action="store_true", help="enforce GitHub's limits")
    parser.add_argument("--webhook", default="", help="where deliveries go")
    parser.add_argument("--webhook-secret-file", type=Path, help="what they are signed with, on one line")
    return parser


def _people(path: Path) -> tuple[dict[str, str], dict[str, Role]]:
    rows = json.loads(path.read_text(encoding="utf-8"))
    logins = {str(row["token"]): str(login) for login, row in rows.items()}
    return logins, {login: "read" for login, row in rows.items() if row.get("role") == "read"}


def _webhook(options: argparse.Namespace) -> Webhook | None:
    if not options.webhook:
        return None
    secret = options.webhook_secret_file.read_text(encoding="utf-8").strip()
    return Webhook(url=options.webhook, secret=secret)


def _refuse(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return _WRONG_USE


def _serve(forge: LocalForge, folder: Path) -> int:
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the terminal it was started from may go
    address, pid = folder / "address", folder / "pid"
    with forge:
        write(pid, f"{os.getpid()}\n")
        write(address, f"{forge.address}\n")
        ended.wait()
    for path in (address, pid):
        path.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
