"""Git as the rest of the program sees it: mirrors, snapshots, commits and pushes; plain values and our errors.

Not a judge of who vouched for what it reads. This is the only place that runs git: `run` starts it, `remote` says
with whom it may talk, `mirror` fetches and accepts, `walk` and `tree` read, `merging` tells what a merge would be,
`write` commits and pushes.
"""

from reconciler.edges.git.advance import Advance, Missing, Moved, NotFromStart, Rewritten, Unchanged
from reconciler.edges.git.commit import Actor, Commit
from reconciler.edges.git.merging import Conflicting, Merged, fork_point, merge
from reconciler.edges.git.mirror import Mirror
from reconciler.edges.git.remote import Remote, SshKey, Token, Watch, watches
from reconciler.edges.git.tree import FileChange, Rejected, Snapshot, changes
from reconciler.edges.git.walk import Trees
from reconciler.edges.git.write import Writer

__all__ = [
    "Actor",
    "Advance",
    "Commit",
    "Conflicting",
    "FileChange",
    "Merged",
    "Mirror",
    "Missing",
    "Moved",
    "NotFromStart",
    "Rejected",
    "Remote",
    "Rewritten",
    "Snapshot",
    "SshKey",
    "Token",
    "Trees",
    "Unchanged",
    "Watch",
    "Writer",
    "changes",
    "fork_point",
    "merge",
    "watches",
]
