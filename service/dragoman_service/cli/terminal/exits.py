"""The exit codes of the commands."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes other than 0, success."""

    FAILED = 1
    """The request failed, or the operation did not succeed or is not done yet."""
    USAGE = 2
    """The command line or the settings are wrong; nothing was started."""
    INTERRUPTED = 130
    """Ctrl-C was pressed."""
