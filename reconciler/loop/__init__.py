"""Ring 3: the loop. Two keys, two short passes; read `target` first, then `release`.

Sources publish immutable snapshots; passes read them, decide with pure code and write through the edges.
"""
