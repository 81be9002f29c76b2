"""A GitHub App: its private key makes a short-lived word, and that gets the token of one installation.

Rules: the token is asked for when it is needed, kept until shortly before it expires and forgotten when GitHub does not
take it; it is for the one repository only; the key is read from its file each time, so that a new one counts.
"""

import base64
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from reconciler.edges.forge.http import Client
from reconciler.errors import Refused

_LIVES = 540  # seconds that the App's word counts: at most ten minutes
_SKEW = 60  # … and that our clock may be ahead of theirs
_MARGIN = 300  # seconds before its end at which a token is not used any more
_SMALLEST_KEY = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class AppKey:
    """One installation of one App. `key` gives the private key's PEM, as the file has it now."""

    id: int
    installation: int
    key: Callable[[], bytes]

    def word(self) -> str:
        """The JSON Web Token (RS256) by which the App is known for some minutes; raises Refused."""
        now = int(time.time())
        claims = {"iat": now - _SKEW, "exp": now + _LIVES, "iss": str(self.id)}
        signed = b".".join(_part(orjson.dumps(part)) for part in ({"alg": "RS256", "typ": "JWT"}, claims))
        signature = self._private().sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return b".".join((signed, _part(signature))).decode()

    def _private(self) -> rsa.RSAPrivateKey:
        try:
            key = load_pem_private_key(self.key(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < _SMALLEST_KEY:
            raise Refused(f"The private key of the GitHub App {self.id} is not an RSA key in PEM without a passphrase.")
        return key


class Installation:
    """The tokens of one installation for one repository; thread-safe. `client` speaks as the App itself."""

    def __init__(self, client: Client, app: AppKey, repository: str) -> None:
        self._client, self._app, self._repository = client, app, repository
        self._lock = threading.Lock()
        self._kept = ("", 0.0)
        self._login = ""

    def token(self) -> str:
        """A token that counts for some more minutes; raises what the client raises."""
        with self._lock:
            token, until = self._kept
            if time.time() < until:
                return token
            path = f"/app/installations/{self._app.installation}/access_tokens"
            answer = self._client.send("token", "POST", path, {"repositories": [self._repository]}, paced=False)
            with self._client.understanding("token"):
                data = answer.json()
                ends = datetime.fromisoformat(data["expires_at"]).timestamp()
                self._kept = (str(data["token"]), ends - _MARGIN)
            return self._kept[0]

    def forget(self) -> None:
        """GitHub does not take the token any more."""
        with self._lock:
            self._kept = ("", 0.0)

    def login(self) -> str:
        """`<app>[bot]`: the author of the App's comments."""
        if not self._login:
            answer = self._client.get("app", "/app")
            with self._client.understanding("app"):
                self._login = f"{answer.json()['slug']}[bot]"
        return self._login

    def close(self) -> None:
        """Give the App's connections back."""
        self._client.close()


def _part(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")
