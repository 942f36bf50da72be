"""Counts what the current thread asks of CPython's allocators, with a hook in C that is compiled when it is wanted.

An allocation is a malloc, a calloc or a realloc for an object (`PYMEM_DOMAIN_OBJ`) or a buffer (`PYMEM_DOMAIN_MEM`);
its bytes are those asked for. What is reused does not reach the allocators: CPython keeps free lists of floats, tuples,
lists, dicts, contexts, asynchronous generators and others, and has frames of its functions on a stack. Nor does what C
code takes from the system by itself: the arenas of protobuf, the memory of nghttp2 and of grpcio's core.
"""

from __future__ import annotations

import ctypes
import shlex
import subprocess
import sysconfig
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")


class Allocations:
    """The hook, which is in use only while it counts."""

    def __init__(self) -> None:
        """Raises OSError where the hook cannot be compiled."""
        with tempfile.TemporaryDirectory() as folder:
            # With PyDLL the GIL is held in a call, which the allocators of these domains need.
            self._hook = ctypes.PyDLL(str(_compiled(Path(folder))))
        self._figures = {kind: ctypes.c_ulonglong.in_dll(self._hook, kind) for kind in ("allocations", "bytes")}

    @contextmanager
    def counted(self, into: Counter[str]) -> Iterator[None]:
        self._hook.install()
        try:
            yield
        finally:
            self._hook.restore()
            into.update({kind: figure.value for kind, figure in self._figures.items()})


def _compiled(folder: Path) -> Path:
    """Takes the compiler and the options that extensions of this Python are built with, as `service/http2` is."""
    linked, library = sysconfig.get_config_var("LDSHARED"), folder / "allocations.so"
    command = [*shlex.split(linked or "cc -shared"), "-fPIC", "-O2", "-std=c11", "-Wall", "-Wextra"]
    command += ["-I", sysconfig.get_path("include"), str(SOURCE), "-o", str(library)]
    compiler = subprocess.run(command, capture_output=True, text=True, check=False)
    if compiler.returncode:
        raise OSError(f"{command[0]}: {compiler.stderr.strip()}")
    return library
