"""Ring 1: what would change on one target, and what to say about it. Pure: facts, time and wishes are arguments.

`compare` finds differences, `decide` orders them and refuses what is unsafe, `conclude` turns what happened into the
target's state, `health` judges what runs, `explain` prints a plan. Carrying a plan out is the loop's.
"""
