"""The child process that runs the embedded model: `python -m dragoman_service.providers.local.engine.main '{…}'`.

Its argument is the JSON form of `own.EngineOptions`. It serves llama.cpp's HTTP API on a unix socket and ends when its
standard input does, so that it never outlives its parent, however that ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

PLAIN = 78  # exit code that says that the last line on stderr is a message for the operator
# Tokens of a prompt that are read at once. A cancelled call runs to the end of its batch while the other answers wait:
# with 256 they wait four times as long, and prompts are read only 3 % faster.
BATCH = 64


def main() -> None:
    """Runs until standard input ends."""
    options = json.loads(sys.argv[1])
    # A terminal or a service manager sends these to all processes of the service, which still has to drain.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(Path(options["socket"]),), daemon=True).start()
    server = _start(options)
    threading.Event().wait()
    del server  # the last reference ends it


def _end_with_parent(socket: Path) -> NoReturn:
    while os.read(0, 4096):
        pass
    with contextlib.suppress(OSError):
        socket.unlink()
        socket.parent.rmdir()
    os._exit(0)  # an orderly shutdown in the middle of its work crashes


def _start(options: dict[str, Any]) -> object:
    try:
        import xllamacpp
    except ImportError as error:
        _fail(_import_advice(error))
    try:
        params = _params(xllamacpp, options)
    except (AttributeError, TypeError) as error:
        _fail(f"The installed xllamacpp does not fit this version: {error}. Reinstall dragoman-service[local].")
    try:
        return xllamacpp.Server(params)
    except RuntimeError:
        _fail(
            f"The runtime cannot load {options['weights']}: it is damaged, unsupported, or too large for this machine."
        )


def _params(xllamacpp: Any, options: dict[str, Any]) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = options["weights"]
    params.model_alias = {options["name"]}
    params.hostnames = [options["socket"]]
    params.n_parallel = options["slots"]
    params.n_ctx = options["slots"] * options["context_tokens"]
    params.n_batch = params.n_ubatch = max(BATCH, options["slots"])
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options["threads"]
    params.cache_ram_mib = 0
    params.ui = params.endpoint_slots = False
    params.endpoint_metrics = True
    params.offline = True
    params.verbosity = -1
    return params


def _import_advice(error: ImportError) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name == "xllamacpp":
        return "The runtime of the embedded model is not installed: pip install 'dragoman-service[local]'."
    if "libgomp" in str(error):
        return "The embedded model needs libgomp.so.1: install it (on Debian and Ubuntu: apt-get install libgomp1)."
    return f"The runtime of the embedded model cannot be loaded: {error}."


def _fail(sentence: str) -> NoReturn:
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()
    os._exit(PLAIN)


if __name__ == "__main__":
    main()
