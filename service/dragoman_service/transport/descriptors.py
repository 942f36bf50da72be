"""File descriptors: how many connections each listener may have, and a warning when descriptors run out."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os

import structlog

try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None  # type: ignore[assignment]

UNLIMITED = 65_536  # descriptors to assume where there is no limit
SPARE = 16  # descriptors for what the service opens later, whatever the limit
SHARE = 3 / 8  # of the others that the connections of one listener may take; the rest is for upstreams and files
FEWEST = 4  # connections that a listener may always have
CHECK_INTERVAL = 0.5  # seconds between checks
REPORT_INTERVAL = 60.0  # seconds between lines in the log while there are too few
LOW = 8  # spare descriptors or fewer are reported

log = structlog.get_logger(__name__)


def descriptor_limit() -> int:
    """The number of descriptors that this process may have."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if resource is not None else -1
    return UNLIMITED if soft < 0 else min(soft, UNLIMITED)


def max_connections() -> int:
    """The number of connections that each of the two listeners may have: a share of the free descriptors."""
    lowest_free = os.open(os.devnull, os.O_RDONLY)  # descriptors are given out in order, so that as many are taken
    os.close(lowest_free)
    return max(FEWEST, int((descriptor_limit() - lowest_free - SPARE) * SHARE))


async def watch_descriptors() -> None:
    """Reports in the log that descriptors have run out, until it is cancelled."""
    now = asyncio.get_running_loop().time
    due = 0.0
    while True:
        if descriptors_are_low() and now() >= due:
            due = now() + REPORT_INTERVAL
            log.error("descriptors.exhausted", limit=descriptor_limit(), hint="raise `ulimit -n`")
        await asyncio.sleep(CHECK_INTERVAL)


def descriptors_are_low() -> bool:
    """Whether no more than `LOW` descriptors are left."""
    taken = []
    try:
        for _ in range(LOW + 1):
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)
    finally:
        for descriptor in taken:
            with contextlib.suppress(OSError):
                os.close(descriptor)
    return False
