"""Ring 1: who vouched for it: signatures, statements, people and the decisions over them.

No input, no output, no clock: bytes, the trust file and the time are arguments.
"""
