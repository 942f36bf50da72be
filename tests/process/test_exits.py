"""What each signal does, and that the process ends whatever a plugin does."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest
from stubborn import stubborn
from supervised import alive, children
from waiting import until

SWALLOWED = "keep = asyncio.create_task(swallow())"
BUSY = "keep = asyncio.create_task(block(exec, 'while True: pass'))"
ASLEEP = "keep = asyncio.create_task(block(time.sleep, 3600))"
THREAD = "threading.Thread(target=time.sleep, args=[3600]).start()"
EXECUTOR = "asyncio.get_running_loop().run_in_executor(None, time.sleep, 3600)"
STUCK_CLOSE = "try:\n        yield Acme()\n    finally:\n        await swallow()\n    return"


async def test_it_ends_soon_after_grace_whatever_a_plugin_does(tmp_path):
    async def end(number, body):
        async with stubborn(tmp_path / str(number), body) as service:
            await service.wait_until_serving()
            if body in (BUSY, ASLEEP):
                await service.block()
            service.send(signal.SIGTERM)
            began = time.monotonic()
            code = await service.exit_code()
            took = time.monotonic() - began
        return body, code, took < 15, "did not end in time" in service.stderr

    # At once, because each takes as long as the process waits for the plugin.
    bodies = (SWALLOWED, BUSY, ASLEEP, THREAD, EXECUTOR, STUCK_CLOSE)
    ends = await asyncio.gather(*(end(number, body) for number, body in enumerate(bodies)))

    assert ends == [(body, 1, True, True) for body in bodies]


async def test_a_second_signal_ends_it_even_if_the_loop_is_blocked(tmp_path):
    async with stubborn(tmp_path, BUSY, grace="1h") as service:
        await service.wait_until_serving()
        await service.block()
        service.send(signal.SIGTERM)
        await asyncio.sleep(1.2)
        service.send(signal.SIGTERM)

        assert await service.exit_code(15) == 1


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_signal_that_is_repeated_within_a_second_keeps_the_drain(tmp_path, workers):
    async with stubborn(tmp_path, grace="1s", workers=workers) as service:
        await service.wait_until_serving()
        for _ in range(3):
            service.send(signal.SIGTERM)
            await asyncio.sleep(0.01)

        assert await service.exit_code() == 0
    assert not service.logged("stopped")


async def test_a_signal_during_the_start_ends_it(tmp_path):
    async def end(number, body):
        async with stubborn(tmp_path / f"{number} {len(body)}", f'print("opening", flush=True); {body}') as service:
            await until(lambda: "opening" in service.stderr)
            service.send(number)
            return await service.exit_code(15)

    waiting, blocking = "await asyncio.sleep(3600)", "time.sleep(3600)"
    cases = {
        (signal.SIGTERM, waiting): 128 + signal.SIGTERM,
        (signal.SIGINT, waiting): 128 + signal.SIGINT,
        (signal.SIGTERM, blocking): 1,
        (signal.SIGINT, blocking): 1,
    }
    codes = await asyncio.gather(*(end(*case) for case in cases))

    assert dict(zip(cases, codes, strict=True)) == cases


@pytest.mark.parametrize("workers", [1, 2])
async def test_sigquit_ends_it_at_once_and_other_signals_do_not(tmp_path, workers):
    async with stubborn(tmp_path, grace="1h", workers=workers) as service:
        await service.wait_until_serving()
        service.send(signal.SIGHUP)
        await until(lambda: service.logged("signal.ignored"))
        for number in (signal.SIGPIPE, signal.SIGUSR2, signal.SIGUSR1):
            service.send(number)
        # Not "Current thread": the system may deliver the signal to a thread of gRPC, which Python does not know.
        await until(lambda: "most recent call first" in service.stderr)
        assert service.process.returncode is None
        service.send(signal.SIGQUIT)

        assert await service.exit_code(10) == 1
    assert not service.logged("drain.started")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGALRM])
async def test_a_supervisor_that_any_signal_ends_takes_its_workers_along(tmp_path, number):
    async with stubborn(tmp_path, workers=2) as service:
        await service.wait_until_serving()
        family = children(service.process.pid)
        service.send(number)
        await service.exit_code()
        await until(lambda: not any(map(alive, family)), 5)

    assert len(family) == 2
