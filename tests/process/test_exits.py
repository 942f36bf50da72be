"""What each signal does, and that the process ends whatever a plugin does."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest
from stubborn import stubborn
from supervised import alive, children
from waiting import until

SWALLOWED = "keep = asyncio.create_task(swallow())"
BUSY = "keep = asyncio.create_task(block(exec, 'while True: pass'))"
ASLEEP = "keep = asyncio.create_task(block(time.sleep, 3600))"
# Python runs no handler of a signal in the main thread before a call into C returns.
QUERY = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
IN_C = f"keep = asyncio.create_task(block(sqlite3.connect(':memory:').execute, {QUERY!r}))"
THREAD = "threading.Thread(target=time.sleep, args=[3600]).start()"
EXECUTOR = "asyncio.get_running_loop().run_in_executor(None, time.sleep, 3600)"
STUCK_CLOSE = "try:\n        yield Acme()\n    finally:\n        await swallow()\n    return"

TWO_RUNS = """
import asyncio, os, signal, threading, uvloop
from dragoman_service.process.signals import handle_signals

def received(number):
    print(number.name, threading.current_thread().name.split()[0], flush=True)
    told.set()

async def main():
    told.clear()
    if not runs:
        handle_signals(received)
    runs.append(1)
    os.kill(os.getpid(), signal.SIGTERM)
    told.wait(10)

told, runs = threading.Event(), []
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
    runner.run(main())  # in which the loop has set a wakeup descriptor of its own
"""


async def test_it_ends_soon_after_grace_whatever_a_plugin_does(tmp_path):
    async def end(number, body):
        async with stubborn(tmp_path / str(number), body) as service:
            await service.wait_until_serving()
            if body in (BUSY, ASLEEP, IN_C):
                await service.block()
            service.send(signal.SIGTERM)
            began = time.monotonic()
            code = await service.exit_code()
            took = time.monotonic() - began
        return body, code, took < 15, "did not end in time" in service.stderr

    # At once, because each takes as long as the process waits for the plugin.
    bodies = (SWALLOWED, BUSY, ASLEEP, IN_C, THREAD, EXECUTOR, STUCK_CLOSE)
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


async def test_a_signal_is_delivered_once_whichever_loop_runs():
    output = await asyncio.to_thread(subprocess.check_output, [sys.executable, "-c", TWO_RUNS], text=True, timeout=20)

    assert output.split() == ["SIGTERM", "deliver", "SIGTERM", "MainThread"]


async def test_a_plugin_gets_the_signals_that_it_asks_its_loop_for(tmp_path):
    told = 'asyncio.get_running_loop().add_signal_handler(signal.SIGWINCH, os.write, 2, b"resized")'
    async with stubborn(tmp_path, told) as service:
        await service.wait_until_serving()
        service.send(signal.SIGWINCH)
        await until(lambda: "resized" in service.stderr)
        service.send(signal.SIGTERM)

        assert await service.exit_code() == 0


async def test_a_signal_to_a_process_that_a_plugin_forked_is_not_the_services(tmp_path):
    handler = 'lambda *_: os.write(2, b"told\\n") and os._exit(0)'
    child = f'signal.signal(signal.SIGTERM, {handler}); os.write(2, b"%d forked\\n" % os.getpid()); time.sleep(60)'
    async with stubborn(tmp_path, f"if not os.fork(): {child}") as service:
        await service.wait_until_serving()
        os.kill(int(service.stderr.partition(" forked")[0].rpartition("\n")[2]), signal.SIGTERM)
        await until(lambda: "told" in service.stderr)
        service.send(signal.SIGHUP)
        await until(lambda: service.logged("signal.ignored"))

        assert not service.logged("drain.started")
        assert service.process.returncode is None


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
        await until(lambda: not any(map(alive, family)))

    assert len(family) == 2
