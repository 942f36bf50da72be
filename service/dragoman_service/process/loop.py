"""Runs an event loop that no exception of a plugin's task can stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from dragoman_service.boundary import describe, loggable

T = TypeVar("T")
log = structlog.get_logger(__name__)


def run_to_end(runner: asyncio.Runner, work: Coroutine[Any, Any, T]) -> T:
    """Runs `work` as the main task of the runner's loop, and returns what it returns.

    SystemExit and KeyboardInterrupt leave the loop when any task or callback raises them. Since our signals never raise
    them once they have handlers, a plugin did: it is logged, and the loop goes on with the next task.
    """
    loop = runner.get_loop()
    main = loop.create_task(work, name="main")
    while True:
        try:
            return loop.run_until_complete(main)
        except (SystemExit, KeyboardInterrupt) as fault:
            if main.done() or signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                raise
            log.error("plugin.failed", reason=f"a task raised {describe(fault)}", exc_info=loggable(fault))
