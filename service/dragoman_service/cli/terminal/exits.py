"""What the exit code of a command means."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """0 is success, as everywhere."""

    FAILED = 1
    """The request failed, or what was asked for did not happen."""
    USAGE = 2
    """The command line or the settings are wrong; nothing was started."""
    INTERRUPTED = 130
    """Ctrl-C."""
