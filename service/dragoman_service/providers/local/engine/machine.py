"""What this machine offers the embedded model: processor instructions and cores."""

from __future__ import annotations

import os
import platform
from pathlib import Path

_NEEDED = frozenset({"avx2", "fma", "f16c", "bmi2"})
_CPUINFO = Path("/proc/cpuinfo")
_SELF = Path("/proc/self/cgroup")
_CGROUPS = Path("/sys/fs/cgroup")


def missing_instructions(cpuinfo: Path = _CPUINFO) -> frozenset[str]:
    """The instruction sets that the runtime needs and this processor lacks; empty if they are unknown."""
    if platform.machine().lower() not in {"x86_64", "amd64"} or not cpuinfo.is_file():
        return frozenset()
    for line in cpuinfo.read_text().splitlines():
        if line.startswith("flags"):
            return _NEEDED - set(line.partition(":")[2].split())
    return frozenset()


def default_threads() -> int:
    """One less than the cores that this process may use, at least one.

    The runtime's threads spin while they wait for each other, so that a core used by another process slows all of them.
    """
    return max(1, usable_cores() - 1)


def usable_cores() -> int:
    """Cores that the affinity and the control groups allow, at least one."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(affinity, int(quota())))


def quota(memberships: Path = _SELF, root: Path = _CGROUPS) -> float:
    """The cores that the control groups of this process grant; a large number without a limit."""
    if not memberships.is_file():
        return float(2**31)
    limits = [float(2**31)]
    for line in memberships.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            limits += [_limit_v2(folder) for folder in _upwards(root, path)]
        elif "cpu" in controllers.split(","):
            limits += [_limit_v1(folder) for folder in _upwards(root / "cpu", path)]
    return min(limits)


def _upwards(root: Path, path: str) -> list[Path]:
    """The folders from a control group up to the root. Each may limit those below it."""
    group = root / path.lstrip("/")
    return [folder for folder in (group, *group.parents) if folder.is_relative_to(root)]


def _limit_v2(folder: Path) -> float:
    words = _words(folder / "cpu.max")
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0].isdigit() else float(2**31)


def _limit_v1(folder: Path) -> float:
    granted, period = _words(folder / "cpu.cfs_quota_us"), _words(folder / "cpu.cfs_period_us")
    return int(granted[0]) / int(period[0]) if granted and period and granted[0].isdigit() else float(2**31)


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []
