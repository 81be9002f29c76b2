"""The verdict over the signatures of one statement: who signed, why others do not count, how many are missing.

Not the judging (trust/verify does that). Rules: one person counts once however many keys they sign with, and a
threshold below one does not exist, so nothing is ever verified by nobody.
"""

from dataclasses import dataclass

from reconciler.errors import Misused
from reconciler.model.record import SignatureFact


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Who signed, as the ledger records it, and one sentence per signature that does not count or for their absence."""

    threshold: int
    signed: tuple[SignatureFact, ...] = ()
    unsigned: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.threshold < 1:
            raise Misused(f"A threshold of {self.threshold} signatures would let anything pass; it is at least 1.")

    @property
    def people(self) -> frozenset[str]:
        """Who signed, each once."""
        return frozenset(signer.person for signer in self.signed)

    @property
    def missing(self) -> int:
        """How many more people have to sign."""
        return max(0, self.threshold - len(self.people))

    @property
    def verified(self) -> bool:
        """Enough people signed."""
        return self.missing == 0

    @property
    def sentence(self) -> str:
        """Why it is or is not verified, on one line, without a stop at its end."""
        signers = " and ".join(f"{signer.person} ({signer.key})" for signer in self.signed)
        if self.verified:
            return f"signed by {signers}"
        count = f"{len(self.people)} of {self.threshold} people signed" if self.threshold > 1 else ""
        return "; ".join(part for part in (count, signers and f"signed by {signers}", *self.unsigned) if part)
