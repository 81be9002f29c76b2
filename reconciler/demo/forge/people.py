"""Who may do what: tokens stand for logins, and a login may write or only read.

Not authentication for anything but a play: on the page a person chooses who they are.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from reconciler.demo.forge.messages import ForgeError

Role = Literal["write", "read"]


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """`tokens`: token → login. `roles`: login → role; who is not in it may write."""

    tokens: Mapping[str, str] = field(repr=False)
    roles: Mapping[str, Role]
    owner: str

    @property
    def logins(self) -> tuple[str, ...]:
        """Everybody, by name."""
        return tuple(sorted(set(self.tokens.values())))

    def bearer(self, header: str) -> str:
        """The login behind an `Authorization` header; raises ForgeError 401."""
        scheme, _, token = header.partition(" ")
        if not header:
            raise ForgeError(401, "Requires authentication")
        if scheme.lower() in {"bearer", "token"}:
            for known, login in self.tokens.items():
                if hmac.compare_digest(known.encode(), token.strip().encode()):
                    return login
        raise ForgeError(401, "Bad credentials")

    def may_write(self, login: str) -> bool:
        """Whether somebody may push, merge, and set statuses."""
        return self.roles.get(login, "write") == "write"

    def expect_write(self, login: str) -> None:
        """Raises ForgeError 403 when somebody may only read."""
        if not self.may_write(login):
            raise ForgeError(403, f"Must have write access to this repository, which {login} has not.")

    def association(self, login: str) -> str:
        """GitHub's word for how somebody belongs to the repository."""
        if login == self.owner:
            return "OWNER"
        return "MEMBER" if self.may_write(login) else "NONE"

    def number(self, login: str) -> int:
        """A user's id."""
        return 1 + self.logins.index(login) if login in self.logins else 0
