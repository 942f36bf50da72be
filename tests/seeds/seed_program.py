"""Runs programs as their readers would: each as a process, in an environment with the vendor's own client."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).with_name("programs")
NODE = "node"
"""The environment of programs for Node, which are modules of JavaScript."""
TIMEOUT = 100.0  # seconds; the embedded model may fill its context on a busy machine


@dataclass(frozen=True, slots=True)
class Output:
    """What a program wrote to stdout, in the pieces that arrived, and to stderr."""

    pieces: list[str]
    stderr: str
    code: int

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def has_words(self) -> bool:
        """Whether it is at least a few words. A small model guarantees no more."""
        return len(self.text.split()) > 2

    @property
    def facts(self) -> Any:
        """The report of a program that reports in JSON."""
        return json.loads(self.text)


def interpreter(environment: str) -> Path:
    """What runs the programs of a client environment: its Python, or Node."""
    found = ROOT / "build" / "seeds" / environment / "bin" / (NODE if environment == NODE else "python")
    assert found.exists(), f"{found} does not exist. Run `make seeds`."
    return found


def with_replaced(source: str, replaced: Mapping[str, str]) -> str:
    """The program with its address and its credential changed. Each must occur exactly once."""
    for old, new in replaced.items():
        assert source.count(old) == 1, f"{old!r} occurs {source.count(old)} times."
        source = source.replace(old, new)
    return source


def run(
    environment: str,
    source: str,
    *arguments: str,
    environ: Mapping[str, str] | None = None,
    code: int | None = 0,
) -> Output:
    """Runs the program `source`, which must exit with `code` (None: any). It sees nothing of this environment."""
    __tracebackhide__ = True
    with tempfile.TemporaryDirectory(prefix="seed-") as folder, tempfile.TemporaryFile() as errors:
        file = Path(folder) / ("program.mjs" if environment == NODE else "program.py")
        file.write_text(source)
        if environment == NODE:  # it looks for packages beside the program
            (file.parent / "node_modules").symlink_to(ROOT / "build" / "seeds" / NODE / "node_modules")
        process = subprocess.Popen(
            [interpreter(environment), file, *arguments],
            env={"PATH": os.defpath, "HOME": folder, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        pieces = read_pieces(process)
        errors.seek(0)
        output = Output(pieces, errors.read().decode(errors="replace"), process.wait())
    assert code is None or output.code == code, f"It exited with {output.code}.\n{output.stderr}\n{output.text}"
    return output


def read_pieces(process: subprocess.Popen[bytes]) -> list[str]:
    """Everything that the process writes until it ends. It is killed after TIMEOUT."""
    assert process.stdout is not None
    stream = process.stdout
    timer = threading.Timer(TIMEOUT, process.kill)
    timer.start()
    try:
        pieces = list(iter(lambda: os.read(stream.fileno(), 65536), b""))
        process.wait()
    finally:
        timer.cancel()
        process.kill()
        stream.close()
    return [piece.decode(errors="replace") for piece in pieces]
