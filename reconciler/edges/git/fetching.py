"""What is said when a fetch did not end well, and whether the remote or its content is the reason."""

from reconciler.edges.git.remote import MIB, Remote
from reconciler.edges.git.run import Ending, Output
from reconciler.errors import Retry

_MALFORMED = ("fsck", "index-pack", "unpack-objects", "did not receive expected object", "did not send all")


def fetch_failed(remote: Remote, output: Output) -> Retry:
    """Unreachable and too slow are FetchFailed; what git does not take is FetchRefused."""
    where = f"{remote.ref} of {remote.shown}"
    if output.ending is not Ending.EXITED:
        return Retry(f"Fetching {where} did not end within {remote.fetch_timeout:g} seconds.", reason="FetchFailed")
    if "shallow" in output.detail:
        return Retry(f"{where} is a shallow clone; its history is not complete.", reason="FetchRefused")
    reason = "FetchRefused" if any(words in output.detail for words in _MALFORMED) else "FetchFailed"
    return Retry(f"Fetching {where} failed: {output.detail or 'git gave no reason'}", reason=reason)


def too_large(remote: Remote, ref: str, limit: int) -> Retry:
    """More than `limit` bytes would come."""
    where, size = f"{ref} of {remote.shown}", f"{limit / MIB:g} MiB"
    setting = " (limits.fetch)" if limit == remote.fetch_limit else ""
    return Retry(f"Fetching {where} would bring more than {size}{setting}.", reason="FetchRefused")
