"""A replica in a process of its own: `python -m dragoman_service.testing.operation_laws.replicas.worker SETUP`.

Each line of its standard input is a call of `Replica` as JSON. Answers are lines of its standard output, in any order,
mixed with its log. It ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import structlog
from google.protobuf.message import Message

from dragoman_service.contract import CompletionError
from dragoman_service.testing.operation_laws.replicas.replica import Replica, Setup, open_replica

Call = dict[str, Any]


async def serve(setup: Setup) -> None:
    """Answers calls until the input ends."""
    reader = asyncio.StreamReader(limit=2**26)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with open_replica(setup) as replica, asyncio.TaskGroup() as group:
        _write({"ready": setup.name})
        while line := await reader.readline():
            group.create_task(_answer(replica, json.loads(line)))


async def _answer(replica: Replica, call: Call) -> None:
    own: dict[str, Callable[..., None]] = {"most_bytes": _most_bytes}
    try:
        if (name := call["call"]) in own:
            answer = own[name](*call["args"])
        else:
            answer = await getattr(replica, name)(*call["args"], **call["options"])
    except CompletionError as error:
        _write({"number": call["number"], "error": [error.code, error.reason, error.message]})
    except Exception as fault:  # noqa: BLE001 - the test, in another process, handles it
        _write({"number": call["number"], "fault": repr(fault)})
    else:
        _write({"number": call["number"], "answer": _plain(answer)})


def _plain(answer: Any) -> Any:
    if isinstance(answer, Message):
        return answer.SerializeToString().hex()
    if isinstance(answer, bytes):
        return answer.hex()
    return [_plain(one) for one in answer] if isinstance(answer, list) else answer


def _most_bytes(size: int) -> None:
    """Imitates a full disk: no file of this process can grow beyond `size` bytes; -1 removes the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard if size < 0 else size, hard))


def _write(line: object) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _put_clock_ahead(seconds: float) -> None:
    wall, wall_ns = time.time, time.time_ns
    time.time = lambda: wall() + seconds
    time.time_ns = lambda: wall_ns() + int(seconds * 1e9)


if __name__ == "__main__":
    given = Setup(**json.loads(sys.argv[1]))
    _put_clock_ahead(given.clock)
    structlog.configure(processors=[structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()])
    asyncio.run(serve(given))
