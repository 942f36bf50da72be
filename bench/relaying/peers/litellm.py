"""LiteLLM's proxy, pinned by requirements/bench-litellm.lock, in an environment of its own, made on demand."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from relaying.peers.peer import Peer, free_port, listening
from relaying.processes import BENCH, Program, started
from relaying.targets import HttpPeer

_ROOT = BENCH.parent
_FOLDER = _ROOT / "build" / "bench-litellm"
_VERSION = re.findall(r"litellm\[proxy\]==(\S+)", (_ROOT / "requirements" / "bench-litellm.in").read_text())[0]
# It needs no network, writes no line per call, and accepts calls without a key, as Dragoman does here.
_VARIABLES = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOG": "ERROR",
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
    "NO_PROXY": "*",
}


def _missing() -> str:
    """Installs it with about 130 packages, unless that is done already."""
    command = [sys.executable, str(_ROOT / "scripts" / "environment.py"), str(_FOLDER), "bench-litellm"]
    return "" if subprocess.run(command, stdout=sys.stderr).returncode == 0 else "pip could not install it, see above"


@asynccontextmanager
async def _start(folder: Path, upstream: int, core: int) -> AsyncIterator[tuple[Program, HttpPeer]]:
    """Starts its proxy with one worker, without keys, database and call log."""
    settings, port = folder / "litellm.yaml", free_port()
    settings.write_text(json.dumps(_settings(upstream)))  # JSON is YAML
    command = [str(_FOLDER / "bin" / "litellm"), "--config", str(settings), "--host", "127.0.0.1", "--port", str(port)]
    quiet = ("sh", "-c", 'exec "$@" >&2', "sh")  # its stdout goes into the log too
    async with (
        started(*quiet, *command, core=core, env=_VARIABLES, log=folder / "litellm.log") as program,
        listening(program, HttpPeer(port, "bench"), LITELLM.name) as found,
    ):
        yield found


def _settings(upstream: int) -> dict[str, object]:
    where = {"model": "openai/bench", "api_base": f"http://127.0.0.1:{upstream}/v1", "api_key": "bench"}
    return {
        "model_list": [{"model_name": "bench", "litellm_params": where}],
        "litellm_settings": {"telemetry": False, "num_retries": 0},
    }


LITELLM = Peer(f"LiteLLM {_VERSION}", _missing, _start)
