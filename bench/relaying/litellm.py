"""LiteLLM's proxy, pinned by requirements/bench-litellm.lock, in an environment of its own, made on demand."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from relaying.processes import BENCH, Program, started
from relaying.targets import HttpPeer

_ROOT = BENCH.parent
_FOLDER = _ROOT / "build" / "bench-litellm"
_START = 120.0  # seconds until it must listen
VERSION = re.findall(r"litellm\[proxy\]==(\S+)", (_ROOT / "requirements" / "bench-litellm.in").read_text())[0]
# It needs no network, writes no line per call, and accepts calls without a key, as Dragoman does here.
_VARIABLES = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOG": "ERROR",
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
    "NO_PROXY": "*",
}


def install() -> None:
    """Installs it with about 130 packages, unless that is done already."""
    command = [sys.executable, str(_ROOT / "scripts" / "environment.py"), str(_FOLDER), "bench-litellm"]
    if subprocess.run(command, stdout=sys.stderr).returncode != 0:
        raise SystemExit("LiteLLM cannot be installed. Use --without-litellm to measure the other targets.")


@asynccontextmanager
async def litellm(folder: Path, upstream: int, core: int) -> AsyncIterator[tuple[Program, HttpPeer]]:
    """Starts its proxy with one worker, without keys, database and call log."""
    settings, port = folder / "litellm.yaml", _free_port()
    settings.write_text(json.dumps(_settings(upstream)))  # JSON is YAML
    command = [str(_FOLDER / "bin" / "litellm"), "--config", str(settings), "--host", "127.0.0.1", "--port", str(port)]
    quiet = ("sh", "-c", 'exec "$@" >&2', "sh")  # its stdout goes into the log too
    async with started(*quiet, *command, core=core, env=_VARIABLES, log=folder / "litellm.log") as program:
        peer = HttpPeer(port, "bench")
        await _listening(program, peer)
        yield program, peer


def _settings(upstream: int) -> dict[str, object]:
    where = {"model": "openai/bench", "api_base": f"http://127.0.0.1:{upstream}/v1", "api_key": "bench"}
    return {
        "model_list": [{"model_name": "bench", "litellm_params": where}],
        "litellm_settings": {"telemetry": False, "num_retries": 0},
    }


async def _listening(program: Program, peer: HttpPeer) -> None:
    ends = asyncio.get_running_loop().time() + _START
    while asyncio.get_running_loop().time() < ends and program.running:
        try:
            if await peer.serves():
                return
        except OSError:
            await asyncio.sleep(0.2)
    raise SystemExit(f"LiteLLM did not start. Use --without-litellm to measure the other targets. {program.log_tail()}")


def _free_port() -> int:
    """Finds a free port, because LiteLLM cannot let the system choose one."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
