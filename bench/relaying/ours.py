"""Our own targets: the listeners of the service, each in a process of its own where the settings differ.

To measure another one, add it to `OURS`.
"""

from __future__ import annotations

import importlib.util
import sys
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from relaying.processes import Program, started

_SETTINGS = """\
[server]
grpc = "127.0.0.1:0"
http = "127.0.0.1:0"
data_dir = "{folder}"
{server}

[log]
format = "json"

[providers.upstream]
plugin = "openai"
base_url = "http://127.0.0.1:{upstream}/v1"
api_key = {{ env = "BENCH_KEY" }}
models = ["bench"]
"""
MODEL = "upstream/bench"


@dataclass(frozen=True, slots=True)
class Own:
    """One target. `server` are lines of `[server]`, `listener` is `grpc` or `http`, `needs` a package that may miss."""

    name: str
    listener: str
    server: str = ""
    needs: str = ""

    @property
    def missing(self) -> str:
        """Why it cannot be measured; empty: it can."""
        installed = not self.needs or importlib.util.find_spec(self.needs) is not None
        return "" if installed else f"{self.needs} is not installed"


HELD = Own("dragoman, gRPC, held", "grpc", 'hold_tokens = "100ms"')
OURS = (
    Own("dragoman, gRPC native", "grpc", 'transport = "native"', "dragoman_http2"),
    Own("dragoman, gRPC grpcio", "grpc", 'transport = "grpcio"'),
    Own("dragoman, HTTP", "http", 'transport = "auto"'),
    HELD,
)


def dragoman(folder: Path, upstream: int, core: int, server: str) -> AbstractAsyncContextManager[Program]:
    """Starts the service with its default options but for `server`. Its log goes to a file."""
    folder.mkdir()
    settings = folder / "dragoman.toml"
    settings.write_text(_SETTINGS.format(folder=folder, upstream=upstream, server=server))
    command = (sys.executable, "-m", "dragoman_service", "serve", "--config", str(settings))
    return started(*command, core=core, env={"BENCH_KEY": "bench"}, log=folder / "dragoman.log")
