"""Ring 1: the machine that takes one release from one version to the next over its clusters.

`machine.advance` is the room's one door; `situation` holds what goes in and comes out. A strategy is a row of the
table in `strategies`. Nothing here renders, writes, waits or asks the clock.
"""
