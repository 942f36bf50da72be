"""Runs a command as the image's container would, without a container engine: `contained.py JSON`, in a mount namespace.

The file system is read-only but for `data_dir` and `/tmp`. Started by root, the command has another user and no
capabilities, and cannot gain any. Only the standard library is used, because nothing else may be readable yet.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

DATA = Path("/var/lib/dragoman")  # in the container
TMP = Path("/tmp")  # noqa: S108 - the container's own


def main(given: dict[str, Any]) -> None:
    readable = [Path(path) for path in given["readable"]]
    held = {path: os.open(path, os.O_PATH) for path in readable} | {DATA: os.open(given["data"], os.O_PATH)}
    covered = {TMP, DATA.parent, *(closed for path in readable if (closed := closed_folder(path)))}
    covered = {path for path in covered if not any(path.is_relative_to(other) for other in covered - {path})}
    for path in covered:
        mount("-t", "tmpfs", "-o", f"mode={'1777' if path == TMP else '0755'}", "tmpfs", str(path))
    for path, descriptor in held.items():
        path.mkdir(parents=True, exist_ok=True)
        # The descriptor, because the folder's own path is covered. The tool would look up its path again.
        mount("--no-canonicalize", "--bind", f"/proc/self/fd/{descriptor}", str(path), keep=descriptor)
    for path in (Path("/"), *covered - {TMP}, *readable):
        mount("-o", "remount,bind,ro", str(path))
    os.chdir(DATA)
    command = [*given["privileges"], *given["command"]]
    os.execvpe(command[0], command, given["environment"])  # noqa: S606 - no shell is wanted


def closed_folder(path: Path) -> Path | None:
    """The first folder on the way that other users cannot enter."""
    return next((folder for folder in reversed(path.parents) if not folder.stat().st_mode & 0o001), None)


def mount(*arguments: str, keep: int | None = None) -> None:
    subprocess.run(["mount", *arguments], check=True, pass_fds=() if keep is None else (keep,))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
