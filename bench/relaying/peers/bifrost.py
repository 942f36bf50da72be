"""Bifrost's HTTP gateway, where the machine has it: the variable `BIFROST` names its program, or the PATH has it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from relaying.peers.peer import Peer, free_port, listening
from relaying.processes import Program, started
from relaying.targets import HttpPeer

_HINT = "its program is not installed: put bifrost-http on the PATH, or name it with BIFROST=/path/to/bifrost-http"


def _missing() -> str:
    asked = os.environ.get("BIFROST")
    if asked and _program() is None:
        return f"BIFROST={asked} is no program"
    return "" if _program() else _HINT


@asynccontextmanager
async def _start(folder: Path, upstream: int, core: int) -> AsyncIterator[tuple[Program, HttpPeer]]:
    """Starts it with a file of settings alone: without a database, its page for browsers, and a log of calls."""
    home, port = folder / "bifrost", free_port()
    home.mkdir()
    (home / "config.json").write_text(json.dumps(_settings(upstream)))
    options = ("-app-dir", str(home), "-host", "127.0.0.1", "-port", str(port), "-log-level", "error")
    quiet = ("sh", "-c", 'exec "$@" >&2', "sh")  # its stdout goes into the log too
    program = _program() or ""
    async with (
        started(*quiet, program, *options, core=core, log=folder / "bifrost.log") as running,
        listening(running, HttpPeer(port, "openai/bench"), BIFROST.name) as found,
    ):
        yield found


def _program() -> str | None:
    return shutil.which(os.environ.get("BIFROST") or "bifrost-http")


def _settings(upstream: int) -> dict[str, object]:
    key = {"name": "bench", "value": "bench", "models": ["*"], "weight": 1.0}
    network = {"base_url": f"http://127.0.0.1:{upstream}", "max_retries": 0}
    return {
        "client": {"enable_logging": False, "drop_excess_requests": False},
        "providers": {"openai": {"keys": [key], "network_config": network}},
        "config_store": {"enabled": False},
        "logs_store": {"enabled": False},
    }


BIFROST = Peer("Bifrost", _missing, _start)
