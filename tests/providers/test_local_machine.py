"""The processor and the cores that the machine offers the embedded model."""

from __future__ import annotations

from pathlib import Path

import pytest
from dragoman_service.providers.local.engine.machine import default_threads, missing_instructions, quota, usable_cores


def test_a_processor_without_what_the_runtime_needs_is_known_by_its_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu avx avx2 fma f16c\nbugs\t: x\n")

    assert missing_instructions(cpuinfo) == {"bmi2"}


@pytest.mark.parametrize("machine", ["aarch64", "arm64"])
def test_other_processors_are_not_asked_for_their_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: str
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("flags\t: none\n")

    assert missing_instructions(cpuinfo) == set()


@pytest.mark.parametrize(
    ("memberships", "files", "cores"),
    [
        ("0::/a/b\n", {"a/cpu.max": "150000 100000\n", "a/b/cpu.max": "max 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 0.5),
        ("4:cpu,cpuacct:/job\n", {"cpu/job/cpu.cfs_quota_us": "200000", "cpu/job/cpu.cfs_period_us": "100000"}, 2.0),
        ("4:cpu,cpuacct:/job\n", {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1.0),
        ("4:cpu:/job\n", {"cpu/job/cpu.cfs_quota_us": "-1", "cpu/job/cpu.cfs_period_us": "100000"}, None),
        ("1:memory:/job\n", {}, None),
    ],
)
def test_the_tightest_control_group_counts(
    tmp_path: Path, memberships: str, files: dict[str, str], cores: float | None
) -> None:
    (tmp_path / "cgroup").write_text(memberships)
    for name, content in files.items():
        path = tmp_path / "fs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    found = quota(tmp_path / "cgroup", tmp_path / "fs")

    assert found == cores if cores is not None else found > 1e6


def test_one_core_is_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr("dragoman_service.providers.local.engine.machine.quota", lambda: 3.5)
    several = (usable_cores(), default_threads())
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})

    assert several == (3, 2)
    assert default_threads() == 1
