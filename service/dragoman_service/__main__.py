"""`python -m dragoman_service` is the command `dragoman`."""

from __future__ import annotations

import os
import signal


def main() -> None:
    """Runs the command line of this process."""
    if os.getpid() == 1:  # the kernel drops signals for which the first process of a container has no handler
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _end)
    from dragoman_service import cli

    cli.main()


def _end(number: int, _: object) -> None:
    """Ends the process as the signal would end any other; a service replaces this handler when it starts."""
    os._exit(128 + number)


if __name__ == "__main__":
    main()
