"""Measures the lag of the event loop: how late a timer fires."""

from __future__ import annotations

import asyncio

from dragoman_service.telemetry.metrics import Metrics

INTERVAL = 0.5  # seconds between measurements


async def watch_loop(metrics: Metrics) -> None:
    """Measures until it is cancelled."""
    now = asyncio.get_running_loop().time
    while True:
        due = now() + INTERVAL
        await asyncio.sleep(INTERVAL)
        metrics.loop_lag.observe(max(0.0, now() - due))
