"""Bearer tokens that change while we run: from a file that somebody rotates, or from a permitted exec plugin.

Not the validation (kubeconfig.py saw to it that both were allowed by name). A source is called for every request and
returns the `Authorization` header; it reads or runs again only when what it has may have expired.
"""

import os
import subprocess
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from reconciler.errors import Misused, Retry

_REREAD_SECONDS = 60.0
_EXEC_SECONDS = 30.0
_EARLY_SECONDS = 60.0
_LARGEST_TOKEN = 64 << 10


class TokenFile:
    """The token in a file, read again every minute."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._header = ""
        self._until = 0.0

    def __call__(self) -> str:
        """The header; raises Misused when the file cannot be read or is no token."""
        if time.monotonic() >= self._until:
            try:
                with self._path.open("rb") as file:
                    token = file.read(_LARGEST_TOKEN + 1).strip()
            except OSError as error:
                raise Misused(f"{self._path}: the token cannot be read: {error.strerror or 'unknown error'}.") from None
            self._header = f"Bearer {_checked(token, str(self._path))}"
            self._until = time.monotonic() + _REREAD_SECONDS
        return self._header


class ExecPlugin:
    """The token that a client-go credential plugin prints; run again shortly before it expires.

    The library's own runner has no time limit and only logs a failure, after which it would send requests anonymously.
    """

    def __init__(self, config: Mapping[str, Any], folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._header = ""
        self._until = 0.0

    def __call__(self) -> str:
        """The header; raises Retry(CredentialPluginFailed)."""
        if time.time() >= self._until:
            status = self._run()
            token = str(status.get("token") or "").encode()
            self._header = f"Bearer {_checked(token, self._config['command'])}"
            self._until = self._expiry(status.get("expirationTimestamp"))
        return self._header

    def _expiry(self, stamp: Any) -> float:
        if stamp is None:
            return float("inf")
        try:
            when = datetime.fromisoformat(str(stamp))
        except ValueError:
            raise self._failed("its expirationTimestamp is not a time") from None
        return when.replace(tzinfo=when.tzinfo or UTC).timestamp() - _EARLY_SECONDS

    def _failed(self, why: str) -> Retry:
        return Retry(f"The credential plugin {self._config['command']} failed: {why}.", reason="CredentialPluginFailed")

    def _run(self) -> Mapping[str, Any]:
        config = self._config
        api = config.get("apiVersion")
        info = {"apiVersion": api, "kind": "ExecCredential", "spec": {"interactive": False}}
        extra = {str(row["name"]): str(row["value"]) for row in config.get("env") or []}
        try:
            done = subprocess.run(
                [config["command"], *map(str, config.get("args") or [])],
                env=os.environ | extra | {"KUBERNETES_EXEC_INFO": orjson.dumps(info).decode()},
                stdin=subprocess.DEVNULL, capture_output=True, timeout=_EXEC_SECONDS, cwd=self._folder, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise self._failed(f"no answer within {_EXEC_SECONDS:.0f} s") from None
        except OSError as error:
            raise self._failed(error.strerror or "it cannot be run") from None
        except ValueError:  # a null character, or a variable with "=" in its name
            raise self._failed("its args or env cannot be given to a program") from None
        if done.returncode:
            raise self._failed(f"exit code {done.returncode}")
        try:
            answer = orjson.loads(done.stdout)
            status = answer["status"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise self._failed("it printed no ExecCredential") from None
        if answer.get("apiVersion") != api or not isinstance(status, dict) or not status.get("token"):
            raise self._failed(f"it printed no token for {api}")
        return status


def _checked(token: bytes, where: str) -> str:
    if not 0 < len(token) <= _LARGEST_TOKEN or not all(0x20 < byte < 0x7F for byte in token):  # noqa: PLR2004  # ASCII
        raise Misused(f"{where}: this is not a bearer token.")
    return token.decode("ascii")
