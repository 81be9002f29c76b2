"""Ring 1: bytes become documents. Strict YAML with positions, kinds and fields, identity, references.

Not here: who vouched for a document (trust), what it is worth (judge) and what it becomes on a cluster (render). Rules:
a file is read in one way or refused, every problem of a file is told at once with its line and column, and a message
never repeats a value that may be a secret.
"""
