"""Pull requests: what merging one would do is told on it, and afterwards what became of it. Read `one` first.

Never in the way of reconciliation: one thread per repository that has a forge, and nothing of it decides what runs. The
order of effects is state on the clusters, then the ledger, then commit statuses, then the comment; a comment that
cannot be posted loses nothing.
"""
