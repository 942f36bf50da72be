"""Garbage collection around a start, which makes many objects and next to no garbage."""

from __future__ import annotations

import gc

STARTING = 30_000
"""How many more objects than were freed a start may make before the collector looks at them. A start makes 200,000, so
that it would look several hundred times by default, which takes a tenth of the start."""
_SERVING = gc.get_threshold()


def collect_rarely() -> None:
    """Makes collections rare. Call it before the libraries are imported."""
    gc.set_threshold(STARTING)


def collect_as_usual() -> None:
    """Ends `collect_rarely`. What was made so far stays, so that collections never go through it and stop the loop."""
    gc.freeze()
    gc.set_threshold(*_SERVING)
