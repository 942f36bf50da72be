"""Describes the machine, and how busy it is."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("grpcio", "httptools", "aiohttp", "protobuf", "uvloop")


def description() -> dict[str, str]:
    """Returns the processor, cores, kernel, Python version and the versions of the main packages."""
    facts = {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }
    return facts | {package: version(package) for package in _PACKAGES}


def busy() -> float:
    """Returns the seconds of CPU time that all processes of the machine have used so far."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    user, nice, system, _, _, irq, soft, _ = fields
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")


def _processor() -> str:
    found = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return found[0].partition(":")[2].strip() if found else platform.machine()
