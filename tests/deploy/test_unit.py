"""The systemd unit: what it promises fits the service, and systemd finds no fault in it."""

from __future__ import annotations

import configparser
import subprocess
import sys
from pathlib import Path

from dragoman_service.process.supervisor import EXIT_MARGIN
from dragoman_service.settings.server import ServerSettings

ROOT = Path(__file__).parents[2]


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def test_systemd_waits_until_a_drain_is_over() -> None:
    unit = configparser.RawConfigParser(strict=False, allow_no_value=True)
    unit.read(ROOT / "deploy/systemd/dragoman.service")
    server = ServerSettings()

    assert seconds(unit["Service"]["TimeoutStopSec"]) >= server.drain_delay + server.grace + EXIT_MARGIN
    assert unit["Service"]["Type"] == "notify"


def test_systemd_finds_no_fault_in_the_unit() -> None:
    ended = subprocess.run(
        [sys.executable, ROOT / "scripts/deploy/unit.py"], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stdout
