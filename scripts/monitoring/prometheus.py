"""Finds `prometheus` and `promtool`, or unpacks those of Debian's package into a folder: `prometheus.py FOLDER`.

It needs only the standard library, changes nothing outside the folder, and does nothing if both are on the PATH.
Without Debian's tools it says what is missing.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAMS = ("prometheus", "promtool")
UNSANDBOXED = "-oAPT::Sandbox::User=root"  # the folder need not be readable for apt's own user
MISSING = """\
Prometheus is missing. Install it, then run the command again:
  Debian, Ubuntu   apt install prometheus
  others           put prometheus and promtool from prometheus.io on the PATH"""


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    if find(folder) is not None:
        return
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        print(MISSING)
    elif not unpack(folder):
        sys.exit(MISSING)


def find(folder: Path) -> dict[str, Path] | None:
    """The path of each program, from the PATH or from a folder that `unpack` has filled; None if one is missing."""
    for path in (None, str(folder / "usr/bin")):
        found = {name: Path(place) for name in PROGRAMS if (place := shutil.which(name, path=path))}
        if len(found) == len(PROGRAMS):
            return found
    return None


def unpack(folder: Path) -> bool:
    """Downloads Debian's package and unpacks both programs. False: there is none, or no network."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        # Lists of its own if the machine has none, which needs no root.
        own = [f"-oDir::State::Lists={work}/lists", f"-oDir::Cache={work}/cache"]
        Path(work, "lists/partial").mkdir(parents=True)
        Path(work, "cache/archives/partial").mkdir(parents=True)
        if not download(work, []) and not (apt(work, *own, "update") and download(work, own)):
            return False
        package = next(Path(work).glob("prometheus_*.deb"))
        unpacked = run(work, "dpkg-deb", "--extract", str(package), "unpacked")
        (folder / "usr/bin").mkdir(parents=True, exist_ok=True)
        for name in PROGRAMS if unpacked else ():
            shutil.move(Path(work, "unpacked/usr/bin", name), folder / "usr/bin" / name)
    return unpacked


def download(work: str, options: list[str]) -> bool:
    return apt(work, *options, "download", "prometheus") and any(Path(work).glob("prometheus_*.deb"))


def apt(work: str, *arguments: str) -> bool:
    return run(work, "apt-get", "-qq", UNSANDBOXED, *arguments)


def run(folder: str, *command: str) -> bool:
    return subprocess.run(command, cwd=folder, check=False).returncode == 0


if __name__ == "__main__":
    main()
