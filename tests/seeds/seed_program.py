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
PATIENCE = 100.0  # seconds; the embedded model may fill its context on a busy machine


@dataclass(frozen=True, slots=True)
class Said:
    """What a program wrote on stdout, piece by piece as it came, and on stderr."""

    pieces: list[str]
    stderr: str
    code: int

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def says_something(self) -> bool:
        """Whether it is at least a few words, which is all that a small model promises."""
        return len(self.text.split()) > 2

    @property
    def facts(self) -> Any:
        """Of a program that reports in JSON."""
        return json.loads(self.text)


def interpreter(environment: str) -> Path:
    """The Python of an environment of clients."""
    python = ROOT / "build" / "seeds" / environment / "bin" / "python"
    assert python.exists(), f"There is no {python}: `make test-seeds` makes it."
    return python


def with_replaced(source: str, replaced: Mapping[str, str]) -> str:
    """The program with its address and its credential changed, of which each has to be there once."""
    for old, new in replaced.items():
        assert source.count(old) == 1, f"{old!r} is there {source.count(old)} times."
        source = source.replace(old, new)
    return source


def run(
    environment: str,
    source: str,
    *arguments: str,
    environ: Mapping[str, str] | None = None,
    code: int | None = 0,
) -> Said:
    """Runs Python's `source`, which has to exit with `code`; None: with any. It sees nothing of this environment."""
    __tracebackhide__ = True
    with tempfile.TemporaryDirectory(prefix="seed-") as folder, tempfile.TemporaryFile() as errors:
        file = Path(folder) / "program.py"
        file.write_text(source)
        process = subprocess.Popen(
            [interpreter(environment), file, *arguments],
            env={"PATH": os.defpath, "HOME": folder, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        pieces = read_pieces(process)
        errors.seek(0)
        said = Said(pieces, errors.read().decode(errors="replace"), process.wait())
    assert code is None or said.code == code, f"It ended with {said.code}.\n{said.stderr}\n{said.text}"
    return said


def read_pieces(process: subprocess.Popen[bytes]) -> list[str]:
    """All that the process writes until it ends, which it does when its time is up."""
    assert process.stdout is not None
    stream = process.stdout
    patience = threading.Timer(PATIENCE, process.kill)
    patience.start()
    try:
        pieces = list(iter(lambda: os.read(stream.fileno(), 65536), b""))
        process.wait()
    finally:
        patience.cancel()
        process.kill()
        stream.close()
    return [piece.decode(errors="replace") for piece in pieces]
