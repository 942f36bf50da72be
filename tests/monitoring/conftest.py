"""Programs that `make deploy-check` has found or unpacked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """The path of `prometheus` or `promtool`."""

    def find(name: str) -> str:
        found = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], str(ROOT / "build/prometheus/usr/bin")]))
        return found or pytest.skip(f"{name} is missing: `make prometheus` unpacks it on Debian")

    return find
