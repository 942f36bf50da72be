"""How often the collector of garbage looks for circles of objects: rarely in a start, which makes none, and seldom
while calls are served, because none is made for a call that goes well."""

from __future__ import annotations

import gc

STARTING = 30_000
"""How many more objects than were freed a start may make before the collector looks at them. A start makes 200,000, so
that it would look several hundred times by default, which takes a tenth of the start."""
SERVING = (10_000, 10, 10)
"""The same while calls are served. Python's default of 700 costs a call 3 %, see bench/NOTES.md."""


def collect_for_start() -> None:
    """Makes collections rare. Call it before the libraries are imported."""
    gc.set_threshold(STARTING)


def collect_for_serving() -> None:
    """Ends `collect_for_start`. What was made so far stays: no collection goes through it and stops the loop."""
    gc.freeze()
    gc.set_threshold(*SERVING)
