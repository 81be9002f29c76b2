"""P9: judging 10,000 release signatures, cold and warm.

The probe is the raw loop: as many Ed25519 signatures over as many bytes, with a key that is parsed already, and nothing
else. Ours is the judgement of each release as a pass asks for it: the statement rendered, the armoured file read, the
key looked up, its state and its owner's role judged. Warm is the same again, as after a push that touched none of them.
"""

from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reconciler.loop.snapshot import Snapshot
from reconciler.loop.statements import statement_of
from reconciler.trust.verify import verify
from tests.bench.measure import figure, median, timed
from tests.bench.plan import NOW, REPOSITORY, Bed

COUNT = 10_000
_SIGNED_BYTES = 130  # of one statement's SSHSIG envelope: names, namespace and a SHA-512


def p9(options: Any) -> Iterator[dict[str, Any]]:
    """The raw loop, ours cold and ours warm, interleaved; CPU seconds, for the wall clock tells of other work."""
    bed = Bed(COUNT)
    key = Ed25519PrivateKey.generate()
    messages = [str(number).rjust(_SIGNED_BYTES).encode() for number in range(COUNT)]
    raw = [(key.sign(message), message) for message in messages]
    public = key.public_key()
    probe, cold, warm = [], [], []
    for turn in range(options.rounds):
        for number in range(COUNT):  # other texts, so that nothing of the round before is known
            bed.release(number, f"1.4.{turn}")
        snapshot = bed.publish(bed.files, bed.fresh()).snapshot
        probe.append(timed(lambda: [public.verify(*row) for row in raw])[1])
        cold.append(timed(lambda: _judge(snapshot))[1])  # noqa: B023  # called at once
        warm.append(timed(lambda: _judge(snapshot))[1])  # noqa: B023  # called at once
    yield figure("P9", "raw verify loop, 10,000 signatures, CPU", median(probe) * 1000, " ms")
    yield figure("P9", "raw loop / 10,000 judgements, cold", median(probe) / median(cold), goal="≥ 0.8")
    yield figure("P9", "10,000 judgements, warm / raw loop", median(warm) / median(probe))


def _judge(snapshot: Snapshot) -> None:
    """Every release's signature, as `standing` asks for it."""
    for key, file in snapshot.releases.items():
        assert file.loaded is not None  # the bed's texts are valid
        statement = statement_of(REPOSITORY, file.path, file.loaded, file.sha256)
        found = verify(
            statement, file.signature, snapshot.trust, verb="release", environment=key.environment, first_seen=NOW,
            now=NOW,
        )  # fmt: skip
        assert found.verified, found.unsigned  # otherwise nothing was measured
