"""The standard streams of a process that was started without some of them, or whose disk is full."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO

OUTPUT_FAULTS = {errno.EBADF, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE}

# Descriptors that are closed are opened for the wrong direction: whoever needs them gets EBADF, and no socket or file
# gets their number, into which a library might write. What is written to stderr goes nowhere.
_REPLACEMENTS = {0: os.O_WRONLY, 1: os.O_RDONLY, 2: os.O_WRONLY}
_NAMES = {0: "stdin", 1: "stdout", 2: "stderr"}


def open_missing() -> None:
    """Opens the standard streams that are closed, and makes those for output replace characters they lack."""
    for number, flags in _REPLACEMENTS.items():
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, flags)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)  # workers have standard streams as well
        if getattr(sys, _NAMES[number]) is None:
            mode = "r" if number == 0 else "w"
            setattr(sys, _NAMES[number], open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - stays
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may lack characters of an answer


@contextlib.contextmanager
def reserved_stdout() -> Iterator[TextIO]:
    """Yields stdout. As long as the context lasts, whatever else is written there goes to stderr.

    That is what plugins print, and what they and their child processes write to descriptor 1.
    """
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr), contextlib.ExitStack() as stack:
        if _is_descriptor(out, 1):
            out.flush()
            private = os.dup(1)
            stack.callback(os.close, private)
            stack.callback(os.dup2, private, 1)
            out = stack.enter_context(open(os.dup(private), "w", encoding=out.encoding, errors="replace"))
            os.dup2(2, 1)
        yield out


def _is_descriptor(stream: TextIO, number: int) -> bool:
    try:
        return stream.fileno() == number
    except (OSError, ValueError):
        return False


def flush() -> OSError | None:
    """Flushes both outputs, so that nothing is left to fail when the interpreter ends. Returns the fault of stdout."""
    fault = None
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            fault = error if stream is sys.stdout else fault
            discard(stream)
        except ValueError:  # closed
            continue
    return fault


def discard(stream: TextIO) -> None:
    """Sends what is left in the stream's buffer, and all that follows, nowhere."""
    with contextlib.suppress(OSError, ValueError):
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, stream.fileno())
        os.close(sink)
        stream.flush()
