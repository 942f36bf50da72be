"""Portkey's gateway, pinned by the lock in requirements/bench-portkey, beside a Node of its own, made on demand."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from relaying.peers.peer import Peer, free_port, listening
from relaying.processes import BENCH, Program, started
from relaying.targets import HttpPeer

_ROOT = BENCH.parent
_FOLDER = _ROOT / "build" / "bench-portkey"
_PACKAGE = "@portkey-ai/gateway"
_PINNED = json.loads((_ROOT / "requirements" / "bench-portkey" / "package.json").read_text())["dependencies"][_PACKAGE]
_ON_LOOPBACK = Path(__file__).with_name("loopback.cjs")


def _missing() -> str:
    """Installs Node from the Python package registry, and the gateway with about 95 packages from npm's."""
    scripts = _ROOT / "scripts"
    for command in (
        [sys.executable, str(scripts / "environment.py"), str(_FOLDER), "seeds-node"],
        [sys.executable, str(scripts / "node_modules.py"), str(_FOLDER), "bench-portkey"],
    ):
        if subprocess.run(command, stdout=sys.stderr).returncode != 0:
            return "Node or npm's packages could not be installed, see above"
    return ""


@asynccontextmanager
async def _start(folder: Path, upstream: int, core: int) -> AsyncIterator[tuple[Program, HttpPeer]]:
    """Starts it without its page for browsers. Each request names the upstream."""
    port = free_port()
    server = _FOLDER / "node_modules" / _PACKAGE / "build" / "start-server.js"
    command = [_FOLDER / "bin" / "node", "--require", _ON_LOOPBACK, server, f"--port={port}", "--headless"]
    quiet = ("sh", "-c", 'exec "$@" >&2', "sh")  # its stdout goes into the log too
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": f"http://127.0.0.1:{upstream}/v1"}
    variables = {"NODE_ENV": "production"}
    async with (
        started(*quiet, *map(str, command), core=core, env=variables, log=folder / "portkey.log") as program,
        listening(program, HttpPeer(port, "bench", headers=headers), PORTKEY.name) as found,
    ):
        yield found


PORTKEY = Peer(f"Portkey {_PINNED}", _missing, _start)
